//! The talk's twelve daily files, with made-up content: `packrat/data/20160720.gz` … `20160731.gz`.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A sample file's key, and its content.
pub(super) type Sample = (String, Vec<u8>);

/// A log for each day, the same in every run: 1,000 lines on the 20th of July 2016, and 100 more on
/// each day after it.
pub(super) fn daily_files() -> std::io::Result<Vec<Sample>> {
    (20..=31).map(|day| Ok((format!("packrat/data/201607{day}.gz"), daily_file(day)?))).collect()
}

fn daily_file(day: u32) -> std::io::Result<Vec<u8>> {
    let lines = 1000 + 100 * (day - 20);
    let mut file = GzEncoder::new(Vec::new(), Compression::default());
    for line in 0..lines {
        let second = line * 86_400 / lines;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let item = line * 7919 % 499;
        writeln!(
            file,
            "2016-07-{day}T{hour:02}:{minute:02}:{second:02}Z packrat kept item-{item:03}"
        )?;
    }
    file.finish()
}
