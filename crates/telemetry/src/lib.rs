//! Logs, traces, metrics and the access log of every role.
