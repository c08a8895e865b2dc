//! Books that are not live or too old are not traded on, whatever a strategy thinks.
