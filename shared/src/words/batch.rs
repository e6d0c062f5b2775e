//! The words of bulk work.

use super::UnknownWord;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

words! {
    /// Where a batch stands.
    BatchStatus("batch status") {
        /// Its manifest is being read, and checked where that was asked for.
        Validating => "validating",
        AwaitingConfirmation => "awaiting_confirmation",
        Queued => "queued",
        InProgress => "in_progress",
        /// Nothing new is begun; what was begun ends.
        Paused => "paused",
        Cancelling => "cancelling",
        /// Every row has ended; its files are being written.
        Finalizing => "finalizing",
        Completed => "completed",
        /// The manifest cannot be used, or more rows failed than was allowed.
        Failed => "failed",
        Expired => "expired",
        Cancelled => "cancelled",
    }
}

words! {
    /// Where one row of a batch stands.
    RowState("row state") {
        Pending => "pending",
        Processing => "processing",
        Verified => "verified",
        Failed => "failed",
        ManualReview => "manual_review",
        /// It could not be accepted, or not be checked.
        Error => "error",
        Cancelled => "cancelled",
        Expired => "expired",
        /// The same document as an earlier row; not verified again.
        Duplicate => "duplicate",
    }
}

words! {
    /// What a batch leaves to fetch.
    BatchFile("file of a batch") {
        /// A line for each row, in their order.
        Output => "output",
        /// The rows without a verdict, as a manifest to submit again.
        Errors => "errors",
        /// What the others hold, with digests.
        Manifest => "manifest",
        /// What a check before the start found, a line for each fault.
        Preflight => "preflight",
        /// Rows that show the same document, picture or face, a line for each group.
        Duplicates => "duplicates",
    }
}

impl BatchStatus {
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Expired | Self::Cancelled)
    }
}
