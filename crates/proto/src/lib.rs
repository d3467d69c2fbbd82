//! The wire protocol of Headwater and the service traits that roles talk through.
