//! Generates the gRPC code from `proto/` with protox: no `protoc` is needed.

use std::{error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("../../proto");
    let files =
        ["common", "storage", "replication", "meta", "raft"].map(|f| format!("headwater/v1/{f}.proto"));
    println!("cargo:rerun-if-changed={}", root.display());
    let descriptors = protox::compile(files, [root])?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
