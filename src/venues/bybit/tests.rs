//! Tests of the connectors.
