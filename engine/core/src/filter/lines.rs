//! The lines of a rule file, split and trimmed as rclone does it.
//!
//! Works on bytes: a list of keys must keep every byte, whatever its encoding. Lines are counted from one, comments included, so that
//! an error names the line that an editor shows.

/// Longest line of a rule file: rclone reads lines through a buffer of 64 KiB that must also hold the line feed.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1024 - 1;

/// How a file is cut into lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Lines, trimmed, without empty ones and comments (`#` or `;`).
    Rules,
    /// Lines as they are.
    Raw,
    /// Pieces that end in a NUL byte, as they are.
    Nul,
}

/// A line that is too long to be one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong {
    pub(super) line: usize,
}

/// The lines of `contents` with their numbers.
pub(super) fn lines(contents: &[u8], cut: Cut) -> impl Iterator<Item = Result<(usize, &[u8]), TooLong>> {
    let separator = if cut == Cut::Nul { 0 } else { b'\n' };
    let body = contents.strip_suffix(&[separator]).unwrap_or(contents);
    let pieces = (!contents.is_empty()).then(|| body.split(move |byte| *byte == separator));
    pieces.into_iter().flatten().zip(1..).filter_map(move |(piece, line)| {
        if piece.len() > LINE_BYTES_MAX {
            return Some(Err(TooLong { line }));
        }
        let piece = match cut {
            Cut::Nul => piece,
            Cut::Raw => without_return(piece),
            Cut::Rules => trim(piece),
        };
        let skipped = cut == Cut::Rules && matches!(piece.first(), None | Some(b'#' | b';'));
        (!skipped).then_some(Ok((line, piece)))
    })
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Cuts white space off both ends: that of Unicode, not of ASCII alone.
fn trim(mut line: &[u8]) -> &[u8] {
    while let Some(length) = first_space(line) {
        line = line.get(length..).unwrap_or_default();
    }
    while let Some(length) = last_space(line) {
        line = line.get(..line.len() - length).unwrap_or_default();
    }
    line
}

/// Longest white space character in UTF-8, in bytes.
const SPACE_BYTES_MAX: usize = 3;

fn first_space(line: &[u8]) -> Option<usize> {
    (1..=SPACE_BYTES_MAX).find(|length| line.get(..*length).is_some_and(is_space))
}

fn last_space(line: &[u8]) -> Option<usize> {
    (1..=SPACE_BYTES_MAX).find(|length| line.len().checked_sub(*length).and_then(|at| line.get(at..)).is_some_and(is_space))
}

fn is_space(bytes: &[u8]) -> bool {
    let mut characters = std::str::from_utf8(bytes).unwrap_or_default().chars();
    characters.next().is_some_and(char::is_whitespace) && characters.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(contents: &[u8], cut: Cut) -> Vec<(usize, &[u8])> {
        lines(contents, cut).filter_map(Result::ok).collect()
    }

    #[test]
    fn comments_and_white_space_go_and_numbers_stay() {
        let contents = "# a\r\n\r\n  + b c \t\r\n;d\n\u{a0}\u{3000}- e\u{2003}\nlast".as_bytes();
        assert_eq!(read(contents, Cut::Rules), [(3, &b"+ b c"[..]), (5, b"- e"), (6, b"last")]);
    }

    #[test]
    fn raw_lines_keep_what_they_hold() {
        assert_eq!(read(b" #a \r\n\n;b\xff", Cut::Raw), [(1, &b" #a "[..]), (2, b""), (3, b";b\xff")]);
        assert_eq!(read(b"a\nb\0\0c", Cut::Nul), [(1, &b"a\nb"[..]), (2, b""), (3, b"c")]);
        assert_eq!(read(b"", Cut::Raw), []);
        assert_eq!(read(b"\n", Cut::Raw), [(1, &b""[..])]);
    }

    #[test]
    fn bytes_that_are_no_text_survive_trimming() {
        assert_eq!(read(b" \xffa\xe3\x80 \n\x80", Cut::Rules), [(1, &b"\xffa\xe3\x80"[..]), (2, b"\x80")]);
    }

    #[test]
    fn a_line_has_a_limit() {
        let mut contents = b"a\n".to_vec();
        contents.extend(vec![b'x'; LINE_BYTES_MAX + 1]);
        assert_eq!(lines(&contents, Cut::Rules).last(), Some(Err(TooLong { line: 2 })));
        contents.pop();
        assert!(lines(&contents, Cut::Rules).all(|line| line.is_ok()));
    }
}
