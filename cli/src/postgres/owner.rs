//! Postgres refuses to run as root: who runs it instead, and which paths that user can reach.

use anyhow::Context as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Who runs initdb and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// This process is root and gives the server away to `uid`.
    pub(super) dropped: bool,
}

impl Owner {
    /// The user of this process; for root `postgres`, else `nobody`.
    pub(super) fn find() -> anyhow::Result<Self> {
        // The kernel's own statement about this process; std has no getuid().
        let this = std::fs::metadata("/proc/self").context("/proc is not mounted")?;
        if this.uid() != 0 {
            return Ok(Self { uid: this.uid(), gid: this.gid(), dropped: false });
        }
        let passwd = std::fs::read_to_string("/etc/passwd").context("/etc/passwd cannot be read")?;
        let (uid, gid) = ["postgres", "nobody"].iter().find_map(|name| user(&passwd, name)).context(
            "as root, txid runs its Postgres as the user `postgres` or `nobody`, and there is neither",
        )?;
        Ok(Self { uid, gid, dropped: true })
    }

    /// A command that runs as this user, with no Postgres settings of ours in its environment.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("PG") || name.starts_with("LC_")) {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C");
        if self.dropped {
            // As root, setting the uid drops the supplementary groups, too.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a path to this user.
    pub(super) fn take(self, path: &Path) -> anyhow::Result<()> {
        if self.dropped {
            std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
                .with_context(|| format!("{} cannot be given to uid {}", path.display(), self.uid))?;
        }
        Ok(())
    }

    /// Whether this user may pass through every folder above `path`.
    pub(super) fn reaches(self, path: &Path) -> bool {
        !self.dropped
            || path.ancestors().skip(1).all(|folder| {
                std::fs::metadata(folder).is_ok_and(|facts| {
                    let class = if facts.uid() == self.uid {
                        0o100
                    } else if facts.gid() == self.gid {
                        0o010
                    } else {
                        0o001
                    };
                    facts.mode() & class != 0
                })
            })
    }
}

/// uid and gid of a user in the text of /etc/passwd.
fn user(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then_some((uid, gid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_user_is_found_by_its_whole_name_and_never_as_root() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\npostgres2:x:7:7::/:\nodd:x:0:0::/:\nnobody:x:65534:65533::/:\n";
        assert_eq!(user(passwd, "nobody"), Some((65534, 65533)));
        assert_eq!(user(passwd, "postgres"), None);
        assert_eq!(user(passwd, "odd"), None);
    }

    #[test]
    fn a_folder_closed_to_others_is_out_of_reach() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("data");
        let other = Owner { uid: 64_000, gid: 64_000, dropped: true };
        let open =
            |mode| std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        open(0o700);
        assert!(!other.reaches(&inside));
        open(0o711);
        assert!(other.reaches(&inside));
    }
}
