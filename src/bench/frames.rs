//! Recorded market data: `<receive time, ns> <JSON text>` a line, compressed or not.

use crate::types::InstrumentKind;
use flate2::read::MultiGzDecoder;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// What a frame is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FrameKind {
    /// Best bid and ask.
    Top,
    /// Change of the depth.
    Depth,
    /// Public print.
    Trade,
    /// The whole depth, fetched by a request.
    Snapshot,
    /// Anything else.
    Other,
}

impl FrameKind {
    /// As series are named.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Top => "top",
            Self::Depth => "depth",
            Self::Trade => "trade",
            Self::Snapshot => "snapshot",
            Self::Other => "other",
        }
    }

    /// By the marks that the venues' frames bear.
    fn of(text: &str) -> Self {
        let has = |mark: &str| text.contains(mark);
        let any = |marks: &[&str]| marks.iter().any(|mark| has(mark));
        if any(&["@bookTicker", "\"orderbook.1.", "\"bbo\"", "\"bbo-tbt\""]) {
            Self::Top
        } else if any(&["@depth", "\"orderbook.", "\"l2Book\"", "\"books\""]) {
            Self::Depth
        } else if has("@trade") || has("\"publicTrade.") || has("\"trades\"") {
            Self::Trade
        } else if has("\"lastUpdateId\"") {
            Self::Snapshot
        } else {
            Self::Other
        }
    }
}

/// One recorded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is about.
    pub kind: FrameKind,
    /// When it was received, ns since the UNIX epoch; 0 where the recording does not say.
    pub recv_ns: u64,
    /// The message.
    pub text: String,
}

/// A recording.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// Its messages, in order.
    pub frames: Vec<Frame>,
}

/// Longest recording that is read, uncompressed.
const BYTES_MAX: u64 = 1 << 31;

impl Capture {
    /// Reads a file. The error names it.
    pub fn load(path: &Path) -> Result<Self, String> {
        let fail = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let mut file = std::fs::File::open(path).map_err(|error| fail(&error))?;
        let mut head = [0; 2];
        let len = file.read(&mut head).map_err(|error| fail(&error))?;
        let whole = head.as_slice()[..len].chain(file);
        let reader: Box<dyn Read> = if head == [0x1f, 0x8b] {
            Box::new(MultiGzDecoder::new(whole))
        } else {
            Box::new(whole)
        };
        let mut frames = Vec::new();
        for (number, line) in BufReader::new(reader.take(BYTES_MAX)).lines().enumerate() {
            let line =
                line.map_err(|error| format!("{}:{}: {error}", path.display(), number + 1))?;
            // Older recordings hold a topic whose place another one with more levels has taken.
            let line = line.replacen("\"orderbook.500.", "\"orderbook.1000.", 1);
            if let Some(frame) = parse(&line) {
                frames.push(frame);
            } else if !line.trim().is_empty() {
                let at = number + 1;
                return Err(format!(
                    "{}:{at}: neither a time with a JSON text nor one",
                    path.display()
                ));
            }
        }
        if frames.is_empty() {
            return Err(fail(&"no recorded messages"));
        }
        Ok(Self { frames })
    }

    /// Decimals of the finest price and the finest quantity of its depth.
    #[must_use]
    pub fn decimals(&self) -> (u8, u8) {
        let mut finest = (0, 0);
        let depth = |frame: &&Frame| matches!(frame.kind, FrameKind::Depth | FrameKind::Snapshot);
        for frame in self.frames.iter().filter(depth) {
            let Ok(root) = serde_json::from_str::<serde_json::Value>(&frame.text) else { continue };
            let data = root.get("data").unwrap_or(&root);
            let data = data.get(0).unwrap_or(data);
            for key in ["b", "a", "bids", "asks"] {
                note_levels(&data[key], &mut finest);
            }
            for side in [0, 1] {
                note_levels(&data["levels"][side], &mut finest);
            }
        }
        finest
    }

    /// What its frames are about: those of perpetuals name their kind even for the top of book.
    #[must_use]
    pub fn instrument_kind(&self) -> InstrumentKind {
        let perpetual = |text: &str| text.contains("\"e\":\"bookTicker\"");
        match self.first(FrameKind::Top).is_some_and(perpetual) {
            true => InstrumentKind::LinearPerpetual,
            false => InstrumentKind::Spot,
        }
    }

    /// The venue's symbol of what it is about, as its messages of market data name it.
    #[must_use]
    pub fn symbol(&self) -> Option<String> {
        self.frames.iter().find_map(|frame| {
            let keys = ["\"s\":\"", "\"instId\":\"", "\"coin\":\""];
            let (_, rest) = keys.iter().find_map(|key| frame.text.split_once(key))?;
            let (symbol, _) = rest.split_once('"')?;
            Some(symbol.to_owned())
        })
    }

    /// Text of the first message of a kind.
    #[must_use]
    pub fn first(&self, kind: FrameKind) -> Option<&str> {
        self.frames.iter().find(|frame| frame.kind == kind).map(|frame| frame.text.as_str())
    }
}

/// Significant decimals of a number's text.
fn decimals(text: &str) -> u8 {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    fraction.trim_end_matches('0').len().min(18) as u8
}

/// Adds the finest price and quantity of a list of levels, which are lists or objects.
fn note_levels(rows: &serde_json::Value, finest: &mut (u8, u8)) {
    for row in rows.as_array().into_iter().flatten() {
        let (price, qty) = match row.is_object() {
            true => (&row["px"], &row["sz"]),
            false => (&row[0], &row[1]),
        };
        if let (Some(price), Some(qty)) = (price.as_str(), qty.as_str()) {
            *finest = (finest.0.max(decimals(price)), finest.1.max(decimals(qty)));
        }
    }
}

fn parse(line: &str) -> Option<Frame> {
    let (recv_ns, text) = match line.split_once(' ') {
        Some((time, text)) if time.bytes().all(|byte| byte.is_ascii_digit()) => {
            (time.parse().ok()?, text)
        }
        _ => (0, line),
    };
    let text = text.trim();
    text.starts_with('{').then(|| Frame {
        kind: FrameKind::of(text),
        recv_ns,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    #[test]
    fn lines_with_and_without_times_are_read_and_others_named() {
        let path = std::env::temp_dir().join(format!("stoop-capture-{}", std::process::id()));
        let text = "1723161253937085768 {\"stream\":\"btcusdt@bookTicker\",\"data\":{}}\n\
            {\"topic\":\"orderbook.50.BTCUSDT\"}\n\n{\"lastUpdateId\":1,\"bids\":[]}\n";
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        for bytes in [text.as_bytes().to_vec(), packed.finish().unwrap()] {
            std::fs::write(&path, bytes).unwrap();
            let capture = Capture::load(&path).unwrap();
            let kinds: Vec<FrameKind> = capture.frames.iter().map(|frame| frame.kind).collect();
            assert_eq!(kinds, [FrameKind::Top, FrameKind::Depth, FrameKind::Snapshot]);
            assert_eq!(capture.frames[0].recv_ns, 1_723_161_253_937_085_768);
        }
        let others = [
            (r#"{"arg":{"channel":"bbo-tbt","instId":"A-B"},"data":[]}"#, FrameKind::Top),
            (
                r#"{"arg":{"channel":"books","instId":"A-B"},"data":[{"bids":[["1.25","3.5"]]}]}"#,
                FrameKind::Depth,
            ),
            (r#"{"arg":{"channel":"trades","instId":"A-B"},"data":[]}"#, FrameKind::Trade),
            (
                r#"{"channel":"l2Book","data":{"coin":"X","levels":[[],[{"px":"7.125","sz":"1"}]]}}"#,
                FrameKind::Depth,
            ),
        ];
        std::fs::write(&path, others.map(|(text, _)| text).join("\n")).unwrap();
        let capture = Capture::load(&path).unwrap();
        for (frame, (_, kind)) in capture.frames.iter().zip(others) {
            assert_eq!(frame.kind, kind, "{}", frame.text);
        }
        assert_eq!((capture.symbol().as_deref(), capture.decimals()), (Some("A-B"), (3, 1)));
        std::fs::write(&path, "{}\nnonsense\n").unwrap();
        let error = Capture::load(&path).unwrap_err();
        assert!(error.ends_with(":2: neither a time with a JSON text nor one"), "{error}");
        std::fs::remove_file(&path).unwrap();
        assert!(Capture::load(&path).unwrap_err().contains("No such file"));
    }
}
