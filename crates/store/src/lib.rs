//! One node's storage: the hot tier, and the traits that later tiers implement.
