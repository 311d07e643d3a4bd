//! The status page: three files that are part of the program, so nothing is loaded from elsewhere and nothing must be built.
//!
//! The page shows what `/api` says. What comes from buckets is set as text by its script and never as markup; a policy in every answer
//! forbids scripts and styles that are not these.

/// A file of the page: what it is, and what it holds.
pub(super) type File = (&'static str, &'static str);

/// The file at a path, if it is one of the page.
pub(super) fn at(path: &str) -> Option<File> {
    match path {
        "/" => Some(("text/html; charset=utf-8", include_str!("page/index.html"))),
        "/page.css" => Some(("text/css; charset=utf-8", include_str!("page/page.css"))),
        "/page.js" => Some(("text/javascript; charset=utf-8", include_str!("page/page.js"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::at;

    /// The text of a file of the page.
    fn text(path: &str) -> &'static str {
        at(path).expect("a file of the page").1
    }

    #[test]
    fn the_page_names_only_its_own_files_and_has_no_script_or_style_inside() {
        let page = text("/");
        let named: Vec<&str> =
            ["href=\"", "src=\""].iter().flat_map(|key| page.split(key).skip(1)).filter_map(|rest| rest.split('"').next()).collect();
        assert!(named.len() >= 3);
        for name in named {
            assert!(name == "#" || name == "/api/jobs" || at(name).is_some(), "{name}");
        }
        for forbidden in ["://", "<style", " style=", " onload", " onclick", "javascript:"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("<script src=\"/page.js\" defer></script>") && page.matches("<script").count() == 1);
        assert!(page.contains("name=\"viewport\""));
        assert!(!text("/page.css").contains("url(") && !text("/page.css").contains("@import"));
    }

    #[test]
    fn the_script_makes_no_markup_of_what_it_is_told() {
        let script = text("/page.js");
        for forbidden in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "srcdoc", "localStorage", "import("]
        {
            assert!(!script.contains(forbidden), "{forbidden}");
        }
        assert_eq!(script.matches("://").count(), 1, "the name of SVG, and no address");
        assert!(script.contains("\"use strict\""));
    }

    #[test]
    fn the_page_listens_to_every_event_that_is_told() {
        let told = ["started", "ended", "paused", "resumed", "asked", "reloaded", "not_reloaded"];
        let notices = brigade_config::NotifyEvent::ALL.map(brigade_config::NotifyEvent::word);
        for word in told.into_iter().chain(notices) {
            assert!(text("/page.js").contains(&format!("\"{word}\"")), "{word}");
        }
    }
}
