//! The files of the watch page, built into the binary.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_128;

/// Stands in `index.html` where the suggested data plane's URL goes.
const DATA_URL_PLACEHOLDER: &str = "{{data_url}}";
const INDEX: &str = include_str!("../assets/index.html");

/// One file below `/assets/`.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Its path below `/assets/`.
    pub path: &'static str,
    content_type: &'static str,
    /// What is in it.
    pub body: &'static [u8],
}

macro_rules! asset {
    ($path:literal, $content_type:expr) => {
        Asset { path: $path, content_type: $content_type, body: include_bytes!(concat!("../assets/", $path)) }
    };
}

const JS: &str = "text/javascript; charset=utf-8";

/// All of them.
pub const ASSETS: [Asset; 9] = [
    asset!("channels.js", JS),
    asset!("format.js", JS),
    asset!("icon.svg", "image/svg+xml"),
    asset!("origin.js", JS),
    asset!("player.js", JS),
    asset!("vendor/hls/hls.min.js", JS),
    asset!("vendor/hls/hls.worker.js", JS),
    asset!("watch.css", "text/css; charset=utf-8"),
    asset!("watch.js", JS),
];

/// The files with their entity tags, which are made once.
#[derive(Debug)]
pub struct Assets {
    files: BTreeMap<&'static str, (Asset, String)>,
}

impl Assets {
    /// Tags every file by its content.
    pub fn new() -> Self {
        let tagged = |asset: Asset| (asset.path, (asset, format!("\"{:032x}\"", xxh3_128(asset.body))));
        Self { files: ASSETS.into_iter().map(tagged).collect() }
    }

    /// The answer to a request for `path`, if there is such a file. Browsers ask each time whether their copy is still
    /// good, so that all files of a page are of one build.
    pub fn get(&self, path: &str, request: &HeaderMap) -> Option<Response> {
        let (asset, etag) = self.files.get(path)?;
        let headers = [
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type)),
            (header::ETAG, HeaderValue::from_str(etag).ok()?),
        ];
        let known = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        Some(
            if known
                .is_some_and(|known| known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag))
            {
                (StatusCode::NOT_MODIFIED, headers).into_response()
            } else {
                (headers, asset.body).into_response()
            },
        )
    }
}

/// The watch page, with the data plane's URL that its form suggests.
pub fn index(data_url: Option<&str>) -> String {
    INDEX.replace(DATA_URL_PLACEHOLDER, &escape(data_url.unwrap_or_default()))
}

/// `text` as it may stand in a quoted HTML attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
