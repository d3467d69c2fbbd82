//! The OpenAPI document of the admin API, made from its types and handlers, and the page that is made from it.

mod markdown;
#[cfg(test)]
mod tests;

use headwater_types::api;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, Ref, RefOr, Response, ResponseBuilder, SecurityRequirement,
        path::{Operation, PathItem},
        schema::Components,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::api::{
    audit_entries, channels, cluster, keys, meta_members, namespaces, nodes, objects, purges, shards,
    signing_keys,
};
pub use markdown::markdown;

/// The name of the security scheme.
const TOKEN: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Headwater admin API",
        description = "Namespaces, keys, nodes and the cluster. JSON under `/v1` on the admin listener of frontends, \
            metadata voters and `headwater dev`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        namespaces::list, namespaces::create, namespaces::show, namespaces::update, namespaces::replace,
        namespaces::remove, keys::list, keys::create, keys::show, keys::revoke, signing_keys::list,
        signing_keys::create, signing_keys::revoke, purges::start, purges::unblock, objects::list, channels::list,
        keys::list_admin,
        keys::create_admin, keys::show_admin, keys::revoke_admin, purges::list, purges::show, nodes::list, nodes::show,
        nodes::remove, nodes::drain, nodes::activate, shards::list, cluster::show, cluster::fence, cluster::unfence,
        meta_members::show, meta_members::add, meta_members::remove, audit_entries::list,
    ),
    components(schemas(
        api::Problem, api::Shard, api::AuditEntry, api::Channel, api::SigningKeyInfo, api::Key, api::Node, api::Purge
    )),
    tags(
        (name = "namespaces", description = "Namespaces and their settings"),
        (name = "keys", description = "API keys"),
        (name = "signing keys", description = "Keys that sign URLs and viewer tokens"),
        (name = "objects", description = "What is stored"),
        (name = "purges", description = "Removal of everything below a prefix"),
        (name = "nodes", description = "Storage nodes; they register by themselves"),
        (name = "cluster", description = "The cluster, its shards and its metadata group"),
        (name = "audit", description = "Who changed what"),
    ),
    modifiers(&Everywhere)
)]
struct AdminDocument;

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = AdminDocument::openapi();
    document.info.version = headwater_telemetry::VERSION.to_owned();
    document
}

/// What every operation has: the token, and problem documents as answers.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let token = SecurityScheme::Http(
            Http::builder()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("An API key of permission admin, or the bootstrap token"))
                .build(),
        );
        document.components.get_or_insert_with(Components::new).add_security_scheme(TOKEN, token);
        for (changes, operation) in document.paths.paths.values_mut().flat_map(operations) {
            operation.security = Some(vec![SecurityRequirement::new(TOKEN, Vec::<String>::new())]);
            add_problems(operation, changes);
        }
    }
}

/// Each operation, and whether it changes something.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let all = [(false, get), (true, put), (true, post), (true, delete), (true, patch)];
    all.into_iter().filter_map(|(changes, operation)| Some((changes, operation.as_mut()?)))
}

/// Answers of errors that every operation can have; those that the handler names itself get their document.
fn add_problems(operation: &mut Operation, changes: bool) {
    let has_path = operation
        .parameters
        .iter()
        .flatten()
        .any(|p| p.parameter_in == utoipa::openapi::path::ParameterIn::Path);
    let has_body = operation.request_body.is_some();
    let answers = &mut operation.responses.responses;
    for (status, description, applies) in [
        ("400", "`invalid_value` or `bad_request`: `detail` names the field and what is allowed", true),
        ("401", "`unauthorized`: no valid token", true),
        ("403", "`forbidden`: the key is no admin key, or not valid from this address", true),
        ("404", "`not_found`", has_path),
        ("408", "`request_timeout`: the body did not arrive within 10 s", has_body),
        ("413", "`body_too_large`: more than 64 KiB", has_body),
        ("415", "`unsupported_media_type`: not JSON", has_body),
        ("500", "`internal`: a bug; the log has more under the request's id", true),
        ("501", "`not_supported`: a voter of the metadata runs an older version", changes),
        (
            "503",
            "`metadata_unavailable`, `metadata_stale`, `unavailable` or `outcome_unknown`; `Retry-After` is given",
            true,
        ),
    ] {
        if applies {
            let answer = ResponseBuilder::new().description(description).build();
            answers.entry(status.to_owned()).or_insert(RefOr::T(answer));
        }
    }
    for (status, answer) in answers.iter_mut() {
        if let RefOr::T(answer) = answer
            && status.starts_with(['4', '5'])
        {
            set_problem(answer);
        }
    }
}

fn set_problem(answer: &mut Response) {
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    answer.content.insert("application/problem+json".to_owned(), Content::new(Some(schema)));
}
