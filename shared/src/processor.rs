//! What the processor must be able to do. The program is built for x86-64-v3 (`.cargo/config.toml`); elsewhere
//! it would die of an illegal instruction somewhere, without a word.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this processor lacks {missing}: x86-64-v3 is needed (Intel from 2013, AMD from 2015), or arm64")]
pub struct TooOld {
    missing: String,
}

/// What x86-64-v3 adds, as Linux names it.
const NEEDED: [&str; 9] = ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"];

/// First thing of a program's `main`.
pub fn check() -> Result<(), TooOld> {
    if !cfg!(target_arch = "x86_64") {
        return Ok(());
    }
    // Where the kernel tells nothing, nothing is refused.
    std::fs::read_to_string("/proc/cpuinfo").map_or(Ok(()), |told| check_flags(&told))
}

fn check_flags(told: &str) -> Result<(), TooOld> {
    let line = told.lines().find(|line| line.starts_with("flags")).and_then(|line| line.split_once(':'));
    let Some((_, flags)) = line else { return Ok(()) };
    let has = |needed: &&str| flags.split_whitespace().any(|flag| flag == *needed);
    let missing: Vec<&str> = NEEDED.into_iter().filter(|needed| !has(needed)).collect();
    if missing.is_empty() { Ok(()) } else { Err(TooOld { missing: missing.join(", ") }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_processor_is_told_what_it_lacks() {
        let error =
            check_flags("processor : 0\nflags : fpu avx bmi1 bmi2 f16c fma abm movbe xsave\n").unwrap_err();
        assert!(error.to_string().contains("lacks avx2:"), "{error}");
        assert_eq!(check_flags(&format!("flags\t: {}\n", NEEDED.join(" "))), Ok(()));
        assert_eq!(check(), Ok(()), "this machine runs the tests");
    }
}
