//! Stores a segment, reads it in three ways, lists the channel and removes it again:
//!
//! ```text
//! cargo run -p headwater-client --example quickstart -- http://127.0.0.1:8080 live-origin hw_id_secret
//! ```

use futures_util::{StreamExt, TryStreamExt, pin_mut, stream};
use headwater_client::{Body, Client, Error};
use std::io;

/// What the example found.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Bytes of the whole object.
    pub whole: u64,
    /// Bytes of a range of it.
    pub range: u64,
    /// Keys that were listed.
    pub names: Vec<String>,
}

/// Everything the example does.
pub async fn run(origin: &str, namespace: &str, api_key: &str) -> Result<Found, Error> {
    let client = Client::new(origin, namespace, api_key)?;

    // Bytes in memory can be sent again if the origin asks for it.
    client.put("example/segment_1.ts", vec![0x47; 188 * 100]).ttl_seconds(60).send().await?;
    // A stream is sent as it comes.
    let packets = stream::iter((0..100).map(|_| Ok::<_, io::Error>(vec![0x47; 188].into())));
    let outcome = client.put("example/segment_2.ts", Body::stream(packets)).ttl_seconds(60).send().await?;
    println!("stored, new: {}, entity tag: {:?}", outcome.created, outcome.etag);

    let mut whole = 0;
    let mut body = Box::pin(client.get("example/segment_2.ts").await?.stream());
    while let Some(piece) = body.next().await {
        whole += piece?.len() as u64;
    }
    let range = client.get_range("example/segment_2.ts", ..188).await?.bytes().await?.len() as u64;

    let mut names = Vec::new();
    let listed = client.list_stream("example/");
    pin_mut!(listed);
    while let Some(object) = listed.try_next().await? {
        names.push(object.name);
    }
    for name in &names {
        client.delete(name).await?;
    }
    Ok(Found { whole, range, names })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [origin, namespace, api_key] = &arguments[..] else {
        return Err("give the data plane's URL, the namespace and an API key".into());
    };
    println!("{:?}", run(origin, namespace, api_key).await?);
    Ok(())
}
