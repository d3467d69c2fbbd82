//! The Rust SDK of Headwater: the data plane over HTTP.
//!
//! ```no_run
//! # async fn example() -> Result<(), headwater_client::Error> {
//! let client = headwater_client::Client::new("http://127.0.0.1:8080", "live-origin", "hw_id_secret")?;
//! client.put("channel/segment_00001.ts", vec![0x47; 188]).ttl_seconds(300).send().await?;
//! let object = client.get("channel/segment_00001.ts").await?;
//! println!("{} bytes, {}", object.bytes().await?.len(), client.list("channel/").await?.objects.len());
//! # Ok(()) }
//! ```

mod client;
mod error;
mod list;
mod put;

pub use client::{Client, Object};
pub use error::Error;
pub use list::{ListedObject, Listing};
pub use put::{Put, PutOutcome};
