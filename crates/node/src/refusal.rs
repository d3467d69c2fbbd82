//! Responses that write nothing: a precondition that does not hold, a DELETE that finds nothing, a request that was done
//! already.
//!
//! Each of them tells its client of a version, so each is a read of that version: it is given only once every member
//! shows the version or a newer one, and only by a member that may answer reads. A refusal from a version that only the
//! head has would be contradicted by the next read in the other zone, and by every read if the version is given up.

use headwater_proto::StorageError;
use headwater_types::{Epoch, ShardId};
use std::time::Duration;

use crate::{
    node::{StorageNode, refused},
    put::Newest,
};

impl StorageNode {
    /// Waits until the version that an answer rests on is clean, then checks that this member is still the head of `epoch`
    /// and may read. To be called after the decision and without the key's lock: later writes of the key must not
    /// wait for it.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] if the version is not clean within `left`: nothing was done. If another epoch was
    /// installed meanwhile, [`StorageError::WrongEpoch`]: the frontend sends the request again, and it is decided again.
    pub(crate) async fn may_tell(
        &self,
        shard: ShardId,
        epoch: Epoch,
        rests_on: &Newest,
        left: Duration,
    ) -> Result<(), StorageError> {
        if let Newest::Staged(staged) = rests_on
            && !staged.is_settled_within(left).await
        {
            return Err(StorageError::Unavailable(
                "not every member has acknowledged the version that the answer rests on".into(),
            ));
        }
        // A version that was given up instead ended with its epoch.
        let core = self.shard(shard).lock();
        let may_read = core.check_head(epoch).and_then(|_| core.check_read(epoch));
        may_read.map_err(|refusal| refused(&core, refusal, self.map_version()))
    }
}
