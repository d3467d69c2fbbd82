//! Every error that a client can see is documented, with its status.

use headwater_types::ErrorCode;

use crate::repo;

#[test]
fn every_error_code_is_documented() {
    let page =
        std::fs::read_to_string(repo::root().join("docs/errors.md")).expect("docs/errors.md can be read");
    let missing = |code: &ErrorCode| {
        let row = format!("| `{}` | {} |", code.code(), code.status());
        (!page.contains(&row)).then(|| format!("docs/errors.md has no row {row:?}"))
    };
    let violations: Vec<_> = ErrorCode::ALL.iter().filter_map(missing).collect();
    repo::assert_none(&violations);
}
