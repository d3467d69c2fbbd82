//! The page `docs/admin-api.md`, from the OpenAPI document.

use serde_json::Value;
use std::fmt::Write;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

const HEAD: &str = "# Admin API

This page is generated from the OpenAPI document, which every listener of the API serves at `/v1/openapi.json` without a
token. `HEADWATER_UPDATE_DOCS=1 cargo nextest run -p headwater-admin page_is_generated` renews it.

JSON under `/v1` on the admin listener of frontends, metadata voters and `headwater dev`. Health, metrics, version and the
watch page are on the same listener without a token.

**Token.** `Authorization: Bearer <token>` with an API key of permission `admin`, or with the bootstrap token of the
[configuration](configuration.md): 401 without a valid one, 403 for a key of the data plane or from an address that the
key is not valid from. A frontend with `auth_max_staleness_s` that has not heard the metadata for longer takes no key (503
`metadata_stale`), but the bootstrap token.

**What is sent** is JSON of at most 64 KiB, `Content-Type: application/json`. Fields and parameters that are not known here
are refused; the `detail` of the answer names what was wrong and what is allowed. **Errors** are problem documents
([errors](errors.md)). Every answer has an `x-request-id`, which the audit log has, too.

**Reads** are as of now, confirmed by a quorum of the metadata voters. Without a quorum they answer 503
`metadata_unavailable`, while the data plane goes on; with `stale=true` they answer from this process's copy. **Changes**
answer 503 `outcome_unknown` where they may or may not have been made; `detail` says whether to look first. Sending them
again is safe but for three: a `POST` that makes a key makes a second one, one that begins a purge also takes what was stored
since if the first one has ended, and a `DELETE` of a namespace deletes one that was made anew with its name, unless
`If-Match` is sent. A change goes on when the client that asked for it goes away.

**Versions.** A namespace has an `ETag`; `If-Match` makes a change depend on it (412 if it has changed since). Nothing else
takes one: every other change with `If-Match`, but for `*`, is refused.

**Pages.** Listings have `items` and a `cursor`; send it as `cursor` for the next page, until it is null.

**Nodes** register by themselves when they start; `POST /v1/nodes` is answered 405.

**Audit.** Each change is a line of the log (target `audit`), an entry of `/v1/audit` and a line of the audit file, if one is
configured: who, from where, what, before and after, without secrets.
";

/// The page.
pub fn markdown() -> String {
    let document = serde_json::to_value(super::document()).unwrap_or_default();
    let mut page = HEAD.to_owned();
    for tag in list(&document["tags"]) {
        // Writing to a string cannot fail, here and below.
        let _ = write!(page, "\n## {}\n\n{}.\n", capital(text(&tag["name"])), text(&tag["description"]));
        for (path, item) in members(&document["paths"]) {
            for method in METHODS.iter().filter(|method| list(&item[**method]["tags"]).contains(&tag["name"]))
            {
                operation(&mut page, method, path, &item[*method]);
            }
        }
    }
    page.push_str("\n## Documents\n");
    for (name, schema) in members(&document["components"]["schemas"]) {
        if !name.contains('_') {
            describe(&mut page, &document, name, schema);
        }
    }
    page
}

fn operation(page: &mut String, method: &str, path: &str, operation: &Value) {
    let words = [text(&operation["summary"]), text(&operation["description"])].join("\n\n");
    let _ = write!(page, "\n### `{} {path}`\n\n{}\n", method.to_uppercase(), words.trim());
    let parameters = list(&operation["parameters"]);
    if !parameters.is_empty() {
        page.push_str("\n| parameter | in | type | |\n|---|---|---|---|\n");
    }
    for parameter in parameters {
        let required = if parameter["required"] == true { "" } else { ", optional" };
        let _ = writeln!(
            page,
            "| `{}` | {}{required} | {} | {} |",
            text(&parameter["name"]),
            text(&parameter["in"]),
            kind(&parameter["schema"]),
            line(&parameter["description"]),
        );
    }
    if let Some((content_type, body)) = members(&operation["requestBody"]["content"]).next() {
        let _ = write!(page, "\nBody: {}, `{content_type}`.\n", kind(&body["schema"]));
    }
    page.push_str("\n| status | answer |\n|---|---|\n");
    for (status, answer) in members(&operation["responses"]) {
        let body = members(&answer["content"]).next();
        let body = body.filter(|(content_type, _)| *content_type == "application/json");
        let body = body.map(|(_, body)| format!(": {}", kind(&body["schema"])));
        let _ = writeln!(page, "| {status} | {}{} |", line(&answer["description"]), body.unwrap_or_default());
    }
}

fn describe(page: &mut String, document: &Value, name: &str, schema: &Value) {
    let _ = write!(page, "\n### {name}\n\n{}\n", text(&schema["description"]));
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| format!("`{}`", text(value))).collect();
        let _ = write!(page, "\nOne of {}.\n", values.join(", "));
    }
    let parts: Vec<&Value> = match schema["allOf"].as_array() {
        Some(parts) => parts.iter().collect(),
        None => vec![schema],
    };
    for part in &parts {
        if let Some(name) = reference(part) {
            let _ = write!(page, "\nHas the fields of {}, and:\n", link(name));
        }
    }
    let fields: Vec<(&Value, &str, &Value)> =
        parts.iter().flat_map(|part| members(&part["properties"]).map(|(n, f)| (*part, n, f))).collect();
    if fields.is_empty() {
        return;
    }
    page.push_str("\n| field | type | |\n|---|---|---|\n");
    for (part, name, field) in fields {
        let required = list(&part["required"]).iter().any(|required| required == name);
        let optional = if required { "" } else { ", optional" };
        let _ = writeln!(page, "| `{name}` | {}{optional} | {} |", kind(field), about(document, field));
    }
}

/// A type in words.
fn kind(schema: &Value) -> String {
    if let Some(name) = reference(schema) {
        return link(name);
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(options) = schema[choice].as_array() {
            let options: Vec<String> = options.iter().map(kind).collect();
            return options.join(" or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| format!("`{}`", text(value))).collect();
        return values.join(", ");
    }
    let name = |name: &str| match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(one) => name(one),
        Value::Array(several) => {
            let several: Vec<String> = several.iter().map(|one| name(text(one))).collect();
            several.join(" or ")
        }
        _ => "any".to_owned(),
    }
}

/// What a field is for: its own words, or those of its document.
fn about(document: &Value, field: &Value) -> String {
    let choices = ["oneOf", "anyOf", "allOf"].into_iter().flat_map(|choice| list(&field[choice]));
    let name = reference(field).or_else(|| choices.filter_map(reference).next());
    let named = || name.map(|name| &document["components"]["schemas"][name]["description"]);
    line(Some(&field["description"]).filter(|words| words.is_string()).or_else(named).unwrap_or(&Value::Null))
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// To the heading of a document; those of generic ones are told by their parts.
fn link(name: &str) -> String {
    match name.split_once('_') {
        None => format!("[{name}](#{})", name.to_lowercase()),
        Some(("Rule", "u64")) => "{`glob`: string, `value`: integer}".to_owned(),
        Some(("Rule", _)) => "{`glob`: string, `value`: string}".to_owned(),
        Some((outer, inner)) => format!("{} of {}", outer.to_lowercase(), link(inner)),
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A text as a cell of a table.
fn line(value: &Value) -> String {
    text(value).replace('\n', " ").replace('|', "\\|")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
