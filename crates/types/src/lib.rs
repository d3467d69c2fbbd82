//! What every Headwater crate speaks: validated names, limits, error codes, bodies and their memory budget, clock and randomness.
//!
//! Everything here is pure: no sockets, no runtime, no disk.

pub mod api;
pub mod api_key;
pub mod attributes;
pub mod body;
pub mod body_budget;
pub mod class;
pub mod client_address;
pub mod clock;
pub mod digest;
pub mod error;
pub mod key;
pub mod limits;
pub mod namespace;
pub mod node;
pub mod object;
pub mod prefix;
pub mod range;
pub mod redacted;
pub mod request_id;
pub mod rfc3339;
pub mod rng;
pub mod settings;
pub mod shard;
pub mod signing;
pub mod ttl;
pub mod version;

pub use api_key::{ApiKey, ApiKeyError, KeyId};
pub use attributes::Attributes;
pub use body::{BodyCut, BodyReader, BodyWriter, Chunks, RangeReader};
pub use body_budget::{BodyBudget, BodyShare, BudgetFull};
pub use class::MediaClass;
pub use clock::{Clock, ManualClock, SystemClock, UnixMillis};
pub use digest::{Digest, DigestHasher};
pub use error::ErrorCode;
pub use key::{KeyError, ObjectKey};
pub use namespace::{NamespaceError, NamespaceId, NamespaceName};
pub use node::{DiskId, Incarnation, Member, NodeId, Nonce, ZoneName};
pub use object::{ObjectId, ObjectMeta};
pub use range::ByteRange;
pub use redacted::Redacted;
pub use request_id::RequestId;
pub use rng::{Rng, SeededRng, SystemRng};
pub use settings::{CorsPolicy, NamespaceSettings, Permission, RateLimits, Rule};
pub use shard::{Epoch, ShardId};
pub use ttl::{Ttl, TtlError};
pub use version::Version;
