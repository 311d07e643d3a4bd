//! The status page: files that are part of the program, so nothing is loaded from elsewhere and nothing must be built.
//!
//! The page shows what `/api` says. What comes from buckets is set as text by its script and never as markup; a policy in every answer
//! forbids scripts and styles that are not these, and markup that is made of text.

/// A file of the page: its path, what it is, and what it holds.
type File = (&'static str, &'static str, &'static str);

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Every file of the page.
const FILES: [File; 11] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page.js", SCRIPT, include_str!("page/page.js")),
    ("/page/charts.js", SCRIPT, include_str!("page/charts.js")),
    ("/page/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/page/failures.js", SCRIPT, include_str!("page/failures.js")),
    ("/page/mark.svg", "image/svg+xml", include_str!("page/mark.svg")),
    ("/page/progress.js", SCRIPT, include_str!("page/progress.js")),
    ("/page/views.js", SCRIPT, include_str!("page/views.js")),
    ("/page/words.js", SCRIPT, include_str!("page/words.js")),
    // Browsers ask for it by themselves.
    ("/favicon.ico", "image/svg+xml", include_str!("page/mark.svg")),
];

/// What the file at a path is and holds, if it is one of the page.
pub(super) fn at(path: &str) -> Option<(&'static str, &'static str)> {
    FILES.iter().find(|(known, ..)| *known == path).map(|(_, kind, text)| (*kind, *text))
}

#[cfg(test)]
mod tests {
    use super::{FILES, SCRIPT, at};

    /// The text of a file of the page.
    fn text(path: &str) -> &'static str {
        at(path).expect("a file of the page").1
    }

    fn scripts() -> impl Iterator<Item = (&'static str, &'static str)> {
        FILES.iter().filter(|(_, kind, _)| *kind == SCRIPT).map(|(path, _, text)| (*path, *text))
    }

    #[test]
    fn the_page_names_only_its_own_files_and_has_no_script_or_style_inside() {
        let page = text("/");
        let named: Vec<&str> =
            ["href=\"", "src=\""].iter().flat_map(|key| page.split(key).skip(1)).filter_map(|rest| rest.split('"').next()).collect();
        assert!(named.len() >= 3);
        for name in named {
            assert!(name.starts_with('#') || ["/api/jobs", "/metrics", "/readyz"].contains(&name) || at(name).is_some(), "{name}");
        }
        for forbidden in ["://", "<style", " style=", " onload", " onclick", "javascript:"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("<script src=\"/page.js\" type=\"module\"></script>") && page.matches("<script").count() == 1);
        assert!(page.contains("name=\"viewport\""));
        assert!(!text("/page.css").contains("url(") && !text("/page.css").contains("@import"));
    }

    #[test]
    fn the_scripts_make_no_markup_of_what_they_are_told() {
        for (path, script) in scripts() {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "setHTML",
                "DOMParser",
                "document.write",
                "eval(",
                "Function(",
                "srcdoc",
                "Storage",
                "import(",
                ".style",
            ] {
                assert!(!script.contains(forbidden), "{path}: {forbidden}");
            }
            assert!(script.contains("\"use strict\""), "{path}");
        }
    }

    #[test]
    fn the_scripts_name_no_address_and_import_only_files_of_the_page() {
        for (path, script) in scripts() {
            // The name of SVG is no address.
            assert!(!script.replace("http://www.w3.org/2000/svg", "").contains("://"), "{path}");
            for from in script.lines().filter(|line| line.starts_with("import ")).filter_map(|line| line.split('"').nth(1)) {
                let folder = path.rsplit_once('/').expect("a path").0;
                let named = format!("{folder}/{}", from.strip_prefix("./").expect("relative"));
                assert!(at(&named).is_some(), "{path} imports {from}");
            }
        }
    }

    #[test]
    fn the_page_listens_to_every_event_that_is_told() {
        let told = ["started", "ended", "paused", "resumed", "asked", "reloaded", "not_reloaded", "not_delivered"];
        let notices = brigade_config::NotifyEvent::ALL.map(brigade_config::NotifyEvent::word);
        for word in told.into_iter().chain(notices) {
            assert!(text("/page.js").contains(&format!("\"{word}\"")), "{word}");
        }
    }
}
