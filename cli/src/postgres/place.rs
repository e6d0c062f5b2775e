//! Where the private Postgres keeps its files and its socket.

use super::owner::Owner;
use anyhow::{Context as _, bail};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// In the data folder: the path of the database where it could not lie in the data folder itself.
const POINTER: &str = "postgres.location";
/// Where root puts databases whose data folder lies behind a closed folder such as /root. Not
/// /var/tmp: systemd clears there what has not been touched for a month.
const OPEN_FOLDER: &str = "/var/lib/txid/standalone";
/// `sun_path` of Linux, without the terminating zero.
const LONGEST_SOCKET_PATH: usize = 107;
/// The file that Postgres makes in the socket folder; the port is part of the name only.
const SOCKET: &str = ".s.PGSQL.5432";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The database cluster (PGDATA).
    pub(super) cluster: PathBuf,
    pub(super) socket_folder: PathBuf,
    pub(super) log: PathBuf,
}

impl Place {
    /// Finds or makes the folders for the data folder `data`, which must exist and be absolute.
    pub(super) fn prepare(data: &Path, owner: Owner) -> anyhow::Result<Self> {
        let folder = folder(data, owner)?;
        own_folder(&folder, owner)?;
        let socket_folder = socket_folder(&folder, owner)?;
        Ok(Self { cluster: folder.join("cluster"), socket_folder, log: folder.join("postgres.log") })
    }

    /// Where initdb works; renamed to `cluster` once it is done, so that there is no half of one.
    pub(super) fn unfinished_cluster(&self) -> PathBuf {
        self.cluster.with_extension("unfinished")
    }

    /// The major version of the PostgreSQL that made the cluster; none if there is no cluster yet.
    pub(super) fn major(&self) -> anyhow::Result<Option<u32>> {
        match std::fs::read_to_string(self.cluster.join("PG_VERSION")) {
            Ok(text) => Ok(Some(text.trim().parse().context("PG_VERSION holds no number")?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("PG_VERSION cannot be read"),
        }
    }
}

fn folder(data: &Path, owner: Owner) -> anyhow::Result<PathBuf> {
    let inside = data.join("postgres");
    let pointer = data.join(POINTER);
    match std::fs::read_to_string(&pointer) {
        Ok(text) => return Ok(PathBuf::from(text.trim_end())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", pointer.display())),
    }
    if inside.exists() || owner.reaches(&inside) {
        return Ok(inside);
    }
    // The data folder is ours: others may pass through it to what they are allowed to open.
    if owner.reaches(data) {
        let mode = std::fs::metadata(data)?.mode() & 0o7777;
        std::fs::set_permissions(data, std::fs::Permissions::from_mode(mode | 0o011))?;
        return Ok(inside);
    }
    // A random name and a pointer to it rather than a name made of the path: who deletes the data
    // folder and makes a new one must not find the old database under it.
    let outside = tempfile::Builder::new()
        .prefix("")
        .rand_bytes(12)
        .tempdir_in(made(OPEN_FOLDER)?)
        .with_context(|| format!("{OPEN_FOLDER} cannot hold the database"))?
        .keep();
    std::fs::write(&pointer, format!("{}\n", outside.display()))
        .with_context(|| format!("{} cannot be written", pointer.display()))?;
    Ok(outside)
}

fn made(folder: &'static str) -> anyhow::Result<&'static Path> {
    std::fs::create_dir_all(folder).with_context(|| format!("{folder} cannot be made"))?;
    Ok(Path::new(folder))
}

/// In the folder itself, or under a short path where the folder's is too long for a socket.
fn socket_folder(folder: &Path, owner: Owner) -> anyhow::Result<PathBuf> {
    let inside = folder.join("socket");
    let socket_folder = if inside.join(SOCKET).as_os_str().len() <= LONGEST_SOCKET_PATH {
        inside
    } else {
        let digest = txid_shared::sha256_hex(folder.as_os_str().as_encoded_bytes());
        let name = format!("txid-{}", digest.get(..16).unwrap_or(&digest));
        Path::new("/tmp").join(name)
    };
    own_folder(&socket_folder, owner)?;
    Ok(socket_folder)
}

/// Makes the folder for the server's user alone. One that somebody else owns is refused: under /tmp
/// another user could have been faster.
fn own_folder(folder: &Path, owner: Owner) -> anyhow::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => owner.take(folder)?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("{} cannot be made", folder.display())),
    }
    let facts = std::fs::symlink_metadata(folder)?;
    // Root may find a folder of its own: made, but not given away yet when the last run was killed.
    if owner.dropped && facts.is_dir() && facts.uid() == 0 {
        owner.take(folder)?;
    } else if !facts.is_dir() || facts.uid() != owner.uid {
        bail!(
            "{} belongs to uid {} and not to uid {}, who runs Postgres: start txid as the user who made it",
            folder.display(),
            facts.uid(),
            owner.uid
        );
    }
    if facts.mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_a_short_socket_folder_of_its_own() {
        let data = tempfile::tempdir().unwrap();
        let owner = Owner { dropped: false, ..Owner::of(data.path()) };
        let long = data.path().join("x".repeat(120));
        std::fs::create_dir(&long).unwrap();
        let place = Place::prepare(&long, owner).unwrap();
        assert!(place.socket_folder.join(SOCKET).as_os_str().len() <= LONGEST_SOCKET_PATH);
        assert_eq!(Place::prepare(&long, owner).unwrap(), place, "the same at the next start");
        std::fs::remove_dir(&place.socket_folder).unwrap();
    }

    #[test]
    fn a_closed_data_folder_is_opened_for_passing_through_only() {
        let data = tempfile::tempdir().unwrap();
        std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let other = Owner { uid: 64_000, gid: 64_000, dropped: true };
        assert_eq!(folder(data.path(), other).unwrap(), data.path().join("postgres"));
        assert_eq!(std::fs::metadata(data.path()).unwrap().mode() & 0o777, 0o711);
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let me = Owner { dropped: false, ..Owner::of(data.path()) };
        std::fs::create_dir(data.path().join("postgres")).unwrap();
        let other = Owner { uid: me.uid + 1, ..me };
        let error = Place::prepare(data.path(), other).unwrap_err().to_string();
        assert!(error.contains("belongs to uid"), "{error}");
    }

    impl Owner {
        fn of(path: &Path) -> Self {
            let facts = std::fs::metadata(path).unwrap();
            Self { uid: facts.uid(), gid: facts.gid(), dropped: false }
        }
    }
}
