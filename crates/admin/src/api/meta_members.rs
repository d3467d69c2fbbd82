//! `/v1/cluster/meta`: who takes part in the metadata group.

use axum::{Json, extract::State as Shared};
use headwater_meta::{MemberChange, Membership, MetaError};
use headwater_types::{
    ErrorCode,
    api::{MetaGroup, MetaMember, NewMetaMember},
};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

use super::{
    AdminApi,
    auth::Caller,
    convert,
    error::{ApiError, ApiResult},
    input::{Body, NoQuery, Params, Segments, decode},
    metadata::{Change, LIMIT, to_its_end},
    nodes::millis,
};
use headwater_meta::limits::ADDRESS_BYTES_MAX;

/// For a change of who takes part: a new voter catches up first.
const CHANGE_LIMIT: Duration = Duration::from_secs(30);

/// The metadata group, as the voter that is asked knows it; answered without a quorum, too.
#[utoipa::path(get, path = "/v1/cluster/meta", tag = "cluster", operation_id = "get_meta_group",
    responses((status = 200, description = "The group", body = MetaGroup)))]
pub async fn show(
    Shared(api): Shared<Arc<AdminApi>>,
    Params(NoQuery {}): Params<NoQuery>,
) -> ApiResult<Json<MetaGroup>> {
    Ok(Json(document(&membership(&api, LIMIT).await?)))
}

/// Adds a voter, which is a learner until it has caught up. Its process must run already and know none of the group.
/// Repeating it is safe.
#[utoipa::path(post, path = "/v1/cluster/meta", tag = "cluster", operation_id = "add_meta_member",
    request_body = NewMetaMember,
    responses((status = 200, description = "It takes part", body = MetaGroup),
        (status = 409, description = "`conflict`: the id was used before, or the group is full")))]
pub async fn add(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Params(NoQuery {}): Params<NoQuery>,
    Body(body): Body,
) -> ApiResult<Json<MetaGroup>> {
    let new: NewMetaMember = decode("", &body)?;
    if new.id == 0 {
        return Err(ApiError::invalid("id", "must be at least 1, and never used before"));
    }
    check_address(&new.address)?;
    let change = MemberChange::Add { id: new.id, address: new.address };
    change_members(&api, &caller, "meta.add", new.id, change).await
}

/// Removes a voter or learner for good; its id is never used again. Repeating it is safe.
#[utoipa::path(delete, path = "/v1/cluster/meta/{id}", tag = "cluster", operation_id = "remove_meta_member",
    params(("id" = u64, Path, description = "Its id")),
    responses((status = 200, description = "It takes no part", body = MetaGroup),
        (status = 409, description = "`conflict`: it is the last voter")))]
pub async fn remove(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(id): Segments<u64>,
    Params(NoQuery {}): Params<NoQuery>,
) -> ApiResult<Json<MetaGroup>> {
    change_members(&api, &caller, "meta.remove", id, MemberChange::Remove { id }).await
}

async fn change_members(
    api: &AdminApi,
    caller: &Caller,
    action: &'static str,
    id: u64,
    member: MemberChange,
) -> ApiResult<Json<MetaGroup>> {
    let before = document(&membership(api, LIMIT).await?);
    let mut change =
        Change { action, target: id.to_string(), before: convert::audited(&before.members), after: None };
    let (api, caller) = (api.clone(), caller.clone());
    to_its_end(async move {
        match api.store.change_membership(member, CHANGE_LIMIT).await {
            Ok(membership) => {
                let after = document(&membership);
                change.after = convert::audited(&after.members);
                api.record(&caller, change, "").await;
                Ok(Json(after))
            }
            Err(MetaError::Invalid(why)) => Err(ApiError::new(ErrorCode::Conflict, why)),
            Err(error) => Err(api.failed(&caller, change, error).await),
        }
    })
    .await
}

fn check_address(address: &str) -> ApiResult<()> {
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let port = port.and_then(|(_, port)| port.parse::<u16>().ok()).filter(|port| *port > 0);
    if port.is_some() && address.len() <= ADDRESS_BYTES_MAX && address.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(())
    } else {
        let why =
            format!("must be host:port, as the other voters reach it, of at most {ADDRESS_BYTES_MAX} bytes");
        Err(ApiError::invalid("address", why))
    }
}

/// Who takes part, as a voter says within `limit`.
pub async fn membership(api: &AdminApi, limit: Duration) -> ApiResult<Membership> {
    let why = match timeout(limit, api.store.membership()).await {
        Ok(Ok(membership)) => return Ok(membership),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {limit:?}"),
    };
    let detail = format!("no voter of the metadata answers: the data plane goes on; {why}");
    Err(ApiError::new(ErrorCode::MetadataUnavailable, detail))
}

/// The group as the API shows it.
pub fn document(membership: &Membership) -> MetaGroup {
    let member = |member: &headwater_meta::MetaMember| MetaMember {
        id: member.id,
        address: member.address.clone(),
        voter: member.voter,
        lag: member.matched.map(|matched| membership.applied.saturating_sub(matched)),
    };
    MetaGroup {
        leader: membership.leader,
        term: membership.term,
        quorum_ms_ago: membership.quorum_ago.map(millis),
        members: membership.members.iter().map(member).collect(),
    }
}
