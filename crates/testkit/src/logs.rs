//! Log lines that a test did not expect.

/// Lines at WARN or ERROR, in human or JSON form, that contain none of `expected`.
pub fn unexpected(log: &str, expected: &[&str]) -> Vec<String> {
    let loud = |line: &&str| {
        [" WARN ", " ERROR ", "\"level\":\"WARN\"", "\"level\":\"ERROR\"", "panicked at"]
            .iter()
            .any(|m| line.contains(m))
    };
    log.lines()
        .filter(loud)
        .filter(|line| !expected.iter().any(|allowed| line.contains(allowed)))
        .map(str::to_owned)
        .collect()
}
