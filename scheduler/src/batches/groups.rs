//! Rows of a batch that show the same document, picture or face, by what the `duplicate` check of each found and by
//! rows that are the same file: everything that is alike directly or through others makes one group. Memory grows
//! with what is alike, not with the batch.

use super::drive::Drive;
use super::{Batches, DriveError};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio_util::sync::CancellationToken;
use txid_shared::ids::VerificationId;
use txid_shared::store::BatchRow;
use txid_shared::words::RowState;

/// Rows whose likes are read together.
const TOGETHER: i64 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Node {
    Verification(VerificationId),
    /// A row that was not verified, by its number.
    Row(i64),
}

#[derive(Default)]
pub(super) struct Groups {
    /// Each node's number; `parents` leads from there to the node that stands for its group.
    numbers: HashMap<Node, usize>,
    parents: Vec<usize>,
    /// By group as it was when they were found.
    alike_in: Vec<(usize, String)>,
    rows: Vec<(usize, GroupRow)>,
}

/// A line of the file.
#[derive(Debug, Serialize, PartialEq)]
pub(super) struct Group {
    /// `document`, `face`, `image`, or `file` where a row was not verified because it is the same file as another.
    alike_in: BTreeSet<String>,
    rows: Vec<GroupRow>,
    /// Verifications of the account that are in no row of this batch.
    others: BTreeSet<VerificationId>,
}

#[derive(Debug, Clone, Serialize, PartialEq)]
struct GroupRow {
    custom_id: Option<String>,
    line: i64,
    status: RowState,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification_id: Option<VerificationId>,
}

impl Groups {
    pub(super) async fn of(
        batches: &Batches,
        drive: &Drive,
        rows: i64,
        stopping: &CancellationToken,
    ) -> Result<Self, DriveError> {
        let (mut groups, mut next) = (Self::default(), 1);
        while next <= rows {
            if stopping.is_cancelled() {
                return Err(DriveError::Stopping);
            }
            batches.hold(drive.id, drive.token).await?;
            for row in batches.store.alike_rows(drive.id, next, TOGETHER).await? {
                let own = row.verification_id.map_or(Node::Row(row.number), Node::Verification);
                groups.join(own, Node::Verification(row.other_id), row.alike_in);
            }
            next += TOGETHER;
        }
        Ok(groups)
    }

    fn number(&mut self, node: Node) -> usize {
        let next = self.parents.len();
        let number = *self.numbers.entry(node).or_insert(next);
        if number == next {
            self.parents.push(next);
        }
        number
    }

    fn root(&mut self, mut number: usize) -> usize {
        while let Some(&parent) = self.parents.get(number) {
            if parent == number {
                break;
            }
            let above = self.parents.get(parent).copied().unwrap_or(parent);
            if let Some(link) = self.parents.get_mut(number) {
                *link = above;
            }
            number = above;
        }
        number
    }

    fn join(&mut self, a: Node, b: Node, alike_in: Vec<String>) {
        let (a, b) = (self.number(a), self.number(b));
        let (a, b) = (self.root(a), self.root(b));
        if let Some(parent) = self.parents.get_mut(b) {
            *parent = a;
        }
        self.alike_in.extend(alike_in.into_iter().map(|what| (a, what)));
    }

    /// Notes a row of the batch, in their order, where it is like another.
    pub(super) fn place(&mut self, row: &BatchRow) {
        let nodes = [row.verification_id.map(Node::Verification), Some(Node::Row(row.number))];
        let known = nodes.into_iter().flatten().find_map(|node| self.numbers.get(&node).copied());
        if let Some(number) = known {
            let shown = GroupRow {
                custom_id: row.custom_id.clone(),
                line: row.line,
                status: row.state,
                verification_id: row.verification_id,
            };
            self.rows.push((number, shown));
        }
    }

    /// In the order of their first rows.
    pub(super) fn lines(mut self) -> Vec<Group> {
        let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
        let mut order = Vec::new();
        for (number, row) in std::mem::take(&mut self.rows) {
            let root = self.root(number);
            let group = groups.entry(root).or_insert_with(|| {
                order.push(root);
                Group { alike_in: BTreeSet::new(), rows: Vec::new(), others: BTreeSet::new() }
            });
            group.rows.push(row);
        }
        for (number, what) in std::mem::take(&mut self.alike_in) {
            let root = self.root(number);
            if let Some(group) = groups.get_mut(&root) {
                group.alike_in.insert(what);
            }
        }
        for (node, number) in std::mem::take(&mut self.numbers) {
            let (Node::Verification(id), root) = (node, self.root(number)) else { continue };
            if let Some(group) = groups.get_mut(&root)
                && !group.rows.iter().any(|row| row.verification_id == Some(id))
            {
                group.others.insert(id);
            }
        }
        order.into_iter().filter_map(|root| groups.remove(&root)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: i64, verification_id: Option<VerificationId>) -> BatchRow {
        let state = if verification_id.is_some() { RowState::Verified } else { RowState::Duplicate };
        BatchRow {
            number,
            line: number,
            custom_id: Some(format!("row-{number}")),
            state,
            start_byte: 0,
            size_bytes: 0,
            verification_id,
            wrapped_key: None,
            duplicate_custom_id: None,
            error: None,
            outcome: None,
            completed_at: None,
        }
    }

    #[test]
    fn what_is_alike_through_others_makes_one_group() {
        let ids: Vec<_> = (0..6).map(|_| VerificationId::generate()).collect();
        let node = |at: usize| Node::Verification(ids[at]);
        let mut groups = Groups::default();
        groups.join(node(1), node(0), vec!["document".to_owned()]);
        groups.join(node(2), node(1), vec!["face".to_owned()]);
        groups.join(node(3), node(5), vec!["image".to_owned()]);
        groups.join(Node::Row(9), node(3), vec!["file".to_owned()]);
        for (number, id) in (1..).zip(ids.iter().take(5)) {
            groups.place(&row(number, Some(*id)));
        }
        groups.place(&row(9, None));
        let lines = groups.lines();
        let of = |at: usize| lines[at].rows.iter().map(|row| row.line).collect::<Vec<_>>();
        assert_eq!((lines.len(), of(0), of(1)), (2, vec![1, 2, 3], vec![4, 9]));
        assert_eq!(lines[0].alike_in.iter().map(String::as_str).collect::<Vec<_>>(), ["document", "face"]);
        assert_eq!((lines[0].others.len(), lines[1].others.iter().next()), (0, Some(&ids[5])));
    }
}
