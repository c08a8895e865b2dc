//! What an account asks over REST about swaps: positions, leverage, bills, funding.

#![forbid(unsafe_code)]

use super::Okx;
use super::errors::VenueError;
use super::rest::{Params, Rows};
use crate::sim::{AccountId, Exchange, HttpRequest};

impl Okx {
    pub(super) fn positions(
        &self,
        _params: &Params,
        _account: AccountId,
        _exchange: &Exchange,
        _now_ms: u64,
    ) -> Rows {
        Ok(Vec::new())
    }

    pub(super) fn set_leverage(
        &mut self,
        _request: &HttpRequest,
        _account: AccountId,
        _exchange: &mut Exchange,
        _now_ms: u64,
    ) -> Rows {
        Err(VenueError::instrument())
    }

    pub(super) fn leverage(
        &self,
        _params: &Params,
        _account: AccountId,
        _exchange: &Exchange,
    ) -> Rows {
        Ok(Vec::new())
    }

    pub(super) fn close_position(
        &mut self,
        _request: &HttpRequest,
        _account: AccountId,
        _exchange: &mut Exchange,
        _now_ms: u64,
    ) -> Rows {
        Err(VenueError::instrument())
    }

    pub(super) fn bills(&self, _params: &Params, _account: AccountId) -> Rows {
        Ok(Vec::new())
    }

    pub(super) fn funding_history(&self, params: &Params) -> Rows {
        self.swap(params).map(|_| Vec::new())
    }

    pub(super) fn tier_rows(&self, _params: &Params, _exchange: &Exchange) -> Rows {
        Ok(Vec::new())
    }
}
