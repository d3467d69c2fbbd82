//! The OpenAPI document against the schema of OpenAPI 3.1, by a validator that is not ours.

use crate::needs::python;
use headwater_testkit::Dev;
use std::path::Path;
use tokio::process::Command;

async fn validate(document: &Path) -> (bool, String) {
    let mut validator = Command::new(python());
    validator.args(["-m", "openapi_spec_validator"]).arg(document);
    let output = validator.output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).chars().take(500).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_valid_openapi() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[]).await.unwrap();
    let answer = reqwest::get(format!("{}/v1/openapi.json", dev.info.admin_url)).await.unwrap();
    let text = answer.text().await.unwrap();
    assert!(text.starts_with("{\"openapi\":\"3.1"), "{}", &text[..text.len().min(200)]);
    let document = dir.path().join("openapi.json");
    std::fs::write(&document, &text).unwrap();
    let (valid, said) = validate(&document).await;
    assert!(valid, "{said}");
    // The validator does notice.
    std::fs::write(&document, text.replacen("\"paths\"", "\"routes\"", 1)).unwrap();
    let (valid, said) = validate(&document).await;
    assert!(!valid && said.contains("Validation Error"), "{said}");
    dev.stop(&[]).await.unwrap();
}
