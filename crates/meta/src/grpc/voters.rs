//! The voters that a client knows: those it was configured with, and the members that they tell of.

use headwater_proto::{
    grpc::{AddressError, channel},
    v1::meta_client::MetaClient,
};
use headwater_types::limits::GRPC_MESSAGE_BYTES_MAX;
use parking_lot::Mutex;
use std::time::Duration;
use tonic::transport::Channel;

use crate::limits::{MEMBERS_MAX, SNAPSHOT_BYTES_MAX};

/// A voter's address and the connection to it. Connecting resolves its name anew each time.
#[derive(Debug, Clone)]
pub(super) struct Voter {
    pub address: String,
    pub client: MetaClient<Channel>,
}

impl Voter {
    fn new(address: &str) -> Result<Self, AddressError> {
        let client = MetaClient::new(channel(address)?)
            .max_decoding_message_size(SNAPSHOT_BYTES_MAX)
            .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX);
        Ok(Self { address: address.to_owned(), client })
    }
}

/// Configured voters and, behind them, learned ones: at most [`MEMBERS_MAX`] of those.
#[derive(Debug)]
pub(super) struct Voters {
    configured: usize,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    voters: Vec<Voter>,
    /// The one that answered last.
    first: String,
}

impl Voters {
    pub(super) fn new(addresses: &[String]) -> Result<Self, AddressError> {
        let voters = addresses.iter().map(|address| Voter::new(address)).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = voters.first().map(|voter| voter.address.clone()) else {
            return Err(AddressError { address: String::new() });
        };
        Ok(Self { configured: voters.len(), known: Mutex::new(Known { voters, first }) })
    }

    /// All of them, beginning with the one that answered last.
    pub(super) fn in_turn(&self) -> Vec<Voter> {
        let known = self.known.lock();
        let first = known.voters.iter().position(|voter| voter.address == known.first).unwrap_or(0);
        let mut voters = known.voters.clone();
        voters.rotate_left(first);
        voters
    }

    pub(super) fn answered(&self, voter: &Voter) {
        self.known.lock().first.clone_from(&voter.address);
    }

    /// Takes the members' addresses as they are now. Connections that are still meant are kept; what was learned before
    /// and is not a member any more is forgotten.
    pub(super) fn learn<'a>(&self, members: impl Iterator<Item = &'a str>) {
        let mut known = self.known.lock();
        let mut voters: Vec<Voter> = known.voters[..self.configured].to_vec();
        for address in members.take(MEMBERS_MAX) {
            if voters.iter().any(|voter| voter.address == address) {
                continue;
            }
            let kept = known.voters.iter().find(|voter| voter.address == address).cloned();
            // An address that cannot be one is not used.
            voters.extend(kept.or_else(|| Voter::new(address).ok()));
        }
        known.voters = voters;
    }
}

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
