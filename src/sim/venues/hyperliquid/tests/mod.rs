//! Whole conversations with the wire: exact requests, exact replies.
