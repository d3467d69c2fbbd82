//! Where a request comes from, as the admin plane sees it, too.

pub(crate) use headwater_types::client_address::{is_within, of};
