//! A page for each venue: what of it is supported and why the rest is not, which keys and account it
//! wants, its limits as they are counted here, its test network, its traps.

#![forbid(unsafe_code)]

macro_rules! pages {
    ($($name:ident $file:literal)*) => {
        $(
            #[doc = include_str!($file)]
            pub mod $name {}
        )*

        #[cfg(test)]
        const PAGES: &[(&str, &str)] = &[$((stringify!($name), include_str!($file))),*];
    };
}

pages! {
    binance "binance/spot.md"
    binance_usdm "binance/usdm.md"
    bybit "bybit/page.md"
    okx "okx/page.md"
    hyperliquid "hyperliquid/page.md"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::InstrumentKind;
    use crate::venues::{Endpoints, VENUES};

    fn hosts(endpoints: Endpoints) -> Vec<String> {
        let Endpoints { rest, public, trade, private } = endpoints;
        let host = |url: String| {
            let url = url.split_once("://")?.1;
            Some(url.split('/').next()?.to_owned())
        };
        [rest, public, trade, private].into_iter().filter_map(host).collect()
    }

    #[test]
    fn every_venue_has_a_page_that_agrees_with_its_row() {
        assert_eq!(PAGES.len(), VENUES.len());
        for row in VENUES {
            let page = PAGES.iter().find(|page| page.0 == row.name).map(|page| page.1);
            let page = page.unwrap_or_else(|| panic!("{} has no page", row.name));
            let mut facts = vec![
                format!("# `{}`", row.name),
                format!("[venue.{}]", row.name),
                "## Keys".to_owned(),
                "## Account".to_owned(),
                "## Limits".to_owned(),
                "## Test network".to_owned(),
                "## Traps".to_owned(),
                "## Not supported".to_owned(),
            ];
            facts.extend(row.limits.iter().map(|limit| {
                format!("| {} | {} | {} |", limit.name, limit.allowed, limit.cancel_reserve)
            }));
            facts.push(match row.dead_man_switch {
                Ok((least, most)) => format!("`dead_man_switch_s`, {least} to {most}"),
                Err(_) => "There is no dead-man switch".to_owned(),
            });
            facts.extend(hosts((row.live)()).into_iter().chain(hosts((row.testnet)())));
            let name = |kind: &InstrumentKind| match kind {
                InstrumentKind::Spot => format!("/USDC@{}`", row.exchange),
                InstrumentKind::LinearPerpetual => format!(":USDC@{}`", row.exchange),
            };
            facts.extend(row.kinds.iter().map(name));
            let missing: Vec<_> = facts.iter().filter(|fact| !page.contains(*fact)).collect();
            assert!(missing.is_empty(), "the page of {} lacks {missing:?}", row.name);
        }
    }
}
