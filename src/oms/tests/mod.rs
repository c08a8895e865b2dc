//! Tests of the oms as a whole.
