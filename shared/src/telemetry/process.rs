//! What Linux counts of this process.

/// Ticks of `/proc/PID/stat` in a second: Linux gives every architecture we build for the same.
const TICKS_PER_S: f64 = 100.0;
/// `utime` and `stime`, counted behind the name of the program, which may hold blanks.
const FIRST_TIME: usize = 11;

/// User and system time.
pub(super) fn cpu_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    let times: Vec<u64> = behind_name
        .split_whitespace()
        .skip(FIRST_TIME)
        .take(2)
        .map_while(|ticks| ticks.parse().ok())
        .collect();
    (times.len() == 2).then(|| times.iter().sum::<u64>() as f64 / TICKS_PER_S)
}

pub(super) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

pub(super) fn open_files() -> Option<u64> {
    // One of them is the folder that is being read.
    Some((std::fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_memory_and_files_follow_what_the_process_does() {
        let (cpu, files) = (cpu_s().unwrap(), open_files().unwrap());
        let held = vec![1u8; 64 << 20];
        let open: Vec<_> = (0..50).map(|_| std::fs::File::open("/proc/self/stat").unwrap()).collect();
        while cpu_s().unwrap() < cpu + 0.05 {}
        assert!(resident_bytes().unwrap() > held.iter().filter(|byte| **byte == 1).count() as u64);
        assert!(open_files().unwrap() >= files.saturating_sub(10) + open.len() as u64 - 10);
    }
}
