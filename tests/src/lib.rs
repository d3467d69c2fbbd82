//! Tests of the whole, each kind a test target of this package. `rules/` holds the house rules.
