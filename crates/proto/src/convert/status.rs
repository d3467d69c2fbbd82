//! Errors as gRPC statuses. Our own nodes say what happened in the status details; without details (a transport that
//! failed, a deadline that passed) the caller must assume the worst that its call allows.

use headwater_types::Epoch;
use prost::Message;
use tonic::{Code, Status};

use super::{required, shard};
use crate::{
    error::{ConvertError, StorageError},
    v1::{self, error_detail::Kind},
};

/// Longest text of an error on the wire: it travels in HTTP/2 headers, whose size is limited.
const ERROR_TEXT_BYTES_MAX: usize = 512;

impl From<StorageError> for Status {
    fn from(error: StorageError) -> Self {
        let text = shortened(error.to_string());
        let code = code(&error);
        Self::with_details(code, text, v1::ErrorDetail::from(error).encode_to_vec().into())
    }
}

impl From<ConvertError> for Status {
    fn from(error: ConvertError) -> Self {
        StorageError::from(error).into()
    }
}

/// What a status means to a call that changes nothing.
pub(crate) fn read_error(status: &Status) -> StorageError {
    from_details(status).unwrap_or_else(|| match status.code() {
        Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => StorageError::Invalid(text(status)),
        _ => StorageError::Unavailable(text(status)),
    })
}

/// What a status means to a call that writes. `sent` says that everything which makes the write count may have left
/// this process: then it may have been done, unless the status itself rules that out.
pub(crate) fn write_error(status: &Status, sent: bool) -> StorageError {
    from_details(status).unwrap_or_else(|| match status.code() {
        Code::Unimplemented => StorageError::Invalid(text(status)),
        _ if sent && !never_connected(status) => StorageError::OutcomeUnknown(text(status)),
        _ => StorageError::Unavailable(text(status)),
    })
}

/// The request never left, as there was no connection for it.
fn never_connected(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn text(status: &Status) -> String {
    shortened(format!("{:?}: {}", status.code(), status.message()))
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(ERROR_TEXT_BYTES_MAX));
    text
}

/// `None` where there are no details, or of a kind that this version does not know.
fn from_details(status: &Status) -> Option<StorageError> {
    if status.details().is_empty() {
        return None;
    }
    let detail = v1::ErrorDetail::decode(status.details()).ok()?;
    let text = detail.message;
    Some(match Kind::try_from(detail.kind).ok()? {
        Kind::Unspecified => return None,
        Kind::WrongEpoch => match wrong_epoch(detail.entry, detail.map_version) {
            Ok(error) => error,
            Err(malformed) => malformed.into(),
        },
        Kind::NotServing => StorageError::NotServing(text),
        Kind::NotFound => StorageError::NotFound,
        Kind::PreconditionFailed => StorageError::PreconditionFailed,
        Kind::Overloaded => StorageError::Overloaded(text),
        Kind::TooLarge => StorageError::TooLarge { limit: detail.limit_bytes },
        Kind::BodyCut => StorageError::BodyCut,
        Kind::DigestMismatch => StorageError::DigestMismatch,
        Kind::Unavailable => StorageError::Unavailable(text),
        Kind::OutcomeUnknown => StorageError::OutcomeUnknown(text),
        Kind::AskTail => StorageError::AskTail,
        Kind::Invalid => StorageError::Invalid(text),
    })
}

fn wrong_epoch(entry: Option<v1::ShardEntry>, map_version: u64) -> Result<StorageError, ConvertError> {
    let entry = required("error.entry", entry)?;
    let shard = shard("error.entry.shard", entry.shard)?;
    Ok(StorageError::WrongEpoch { shard, epoch: Epoch(entry.epoch), map_version })
}

/// The code that gRPC tools show; our own clients read the details.
fn code(error: &StorageError) -> Code {
    match error {
        StorageError::WrongEpoch { .. } | StorageError::PreconditionFailed => Code::FailedPrecondition,
        StorageError::NotServing(_) | StorageError::Unavailable(_) | StorageError::AskTail => {
            Code::Unavailable
        }
        StorageError::NotFound => Code::NotFound,
        StorageError::Overloaded(_) | StorageError::TooLarge { .. } => Code::ResourceExhausted,
        StorageError::BodyCut => Code::Aborted,
        StorageError::DigestMismatch => Code::DataLoss,
        StorageError::OutcomeUnknown(_) => Code::Unknown,
        StorageError::Invalid(_) => Code::InvalidArgument,
    }
}

impl From<StorageError> for v1::ErrorDetail {
    fn from(error: StorageError) -> Self {
        let kind = |kind: Kind| Self { kind: kind.into(), ..Self::default() };
        let with_text =
            |kind: Kind, text| Self { kind: kind.into(), message: shortened(text), ..Self::default() };
        match error {
            StorageError::WrongEpoch { shard, epoch, map_version } => Self {
                entry: Some(v1::ShardEntry {
                    shard: shard.get().into(),
                    epoch: epoch.0,
                    ..v1::ShardEntry::default()
                }),
                map_version,
                ..kind(Kind::WrongEpoch)
            },
            StorageError::NotServing(text) => with_text(Kind::NotServing, text),
            StorageError::NotFound => kind(Kind::NotFound),
            StorageError::PreconditionFailed => kind(Kind::PreconditionFailed),
            StorageError::Overloaded(text) => with_text(Kind::Overloaded, text),
            StorageError::TooLarge { limit } => Self { limit_bytes: limit, ..kind(Kind::TooLarge) },
            StorageError::BodyCut => kind(Kind::BodyCut),
            StorageError::DigestMismatch => kind(Kind::DigestMismatch),
            StorageError::Unavailable(text) => with_text(Kind::Unavailable, text),
            StorageError::OutcomeUnknown(text) => with_text(Kind::OutcomeUnknown, text),
            StorageError::AskTail => kind(Kind::AskTail),
            StorageError::Invalid(text) => with_text(Kind::Invalid, text),
        }
    }
}
