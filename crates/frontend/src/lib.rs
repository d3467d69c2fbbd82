//! The HTTP data plane: addressing, credentials, PUT, GET, DELETE, LIST.
