//! `sides DIR [SEED] [DESIGN …]`: each side of each design, flat and perfect, as DIR/DESIGN.SIDE.jpg, for
//! whoever draws designs and wants to look at them.

use anyhow::Context as _;
use txid_specimens::{Assets, Design, Generator, jpeg};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = std::path::PathBuf::from(arguments.next().context("a folder to write into")?);
    let seed = arguments.next().map_or(Ok(1), |seed| seed.parse())?;
    let wanted: Vec<String> = arguments.collect();
    std::fs::create_dir_all(&folder)?;
    let generator = Generator::new(Assets::load(&Assets::default_cache())?);
    for design in Design::all()? {
        if !wanted.is_empty() && !wanted.contains(&design.name) {
            continue;
        }
        let person = generator.holder(&design, seed)?;
        for side in &design.sides {
            let rendered = generator.flat(&design, side, &person, seed)?;
            let name = format!("{}.{}.jpg", design.name, side.role.as_str());
            std::fs::write(folder.join(name), jpeg::encode(&rendered.pixels, 90)?)?;
        }
    }
    Ok(())
}
