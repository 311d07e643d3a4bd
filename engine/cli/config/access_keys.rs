//! Access keys of two tenants that are one: variables and profiles of other names may hold the same key.
//!
//! Only what stands there to be read is looked at. A profile that assumes a role, or asks another program, has no key of its own here;
//! nothing is asked of anybody, and no key is shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use brigade_config::{Config, StoreConfig};

use crate::error::CliError;

/// Refuses a configuration in which stores of two tenants have one access key, unless it is said that they share it.
pub fn refuse_common(file: &Config, path: &Path) -> Result<(), CliError> {
    let mut users: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    for (name, store) in file.stores.iter().filter(|(_, store)| !store.shared) {
        let Some(owner) = file.owners(name).next() else { continue };
        let Some(key) = access_key(store) else { continue };
        match users.get(&key) {
            Some((other, other_store)) if *other != owner => {
                let cause = format!("the stores `{other_store}` of `{other}` and `{name}` of `{owner}` have the same access key");
                return Err(CliError::new(format!("the configuration {} is not understood", path.display()), cause)
                    .hint("give each tenant credentials of its own, or say shared = true under the store that both use"));
            }
            Some(_) => {}
            None => drop(users.insert(key, (owner, name))),
        }
    }
    Ok(())
}

fn access_key(store: &StoreConfig) -> Option<String> {
    match (&store.credentials_env, &store.profile) {
        (Some(name), _) => std::env::var(format!("{name}_AWS_ACCESS_KEY_ID")).ok().filter(|key| !key.is_empty()),
        (None, Some(name)) => files().iter().find_map(|text| key_of_profile(text, name)),
        (None, None) => None,
    }
}

/// The files of the AWS configuration; the first that has a key for a profile counts.
fn files() -> Vec<String> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    [("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), ("AWS_CONFIG_FILE", ".aws/config")]
        .into_iter()
        .map(|(variable, usual)| std::env::var_os(variable).map_or_else(|| home.join(usual), PathBuf::from))
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .collect()
}

/// The access key that stands under `[NAME]` or `[profile NAME]`.
fn key_of_profile(text: &str, name: &str) -> Option<String> {
    let header = |line: &str| Some(line.strip_prefix('[')?.split(']').next()?.trim().to_owned());
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(header) = header(line) {
            is_inside = header.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or(&header).trim() == name;
        } else if is_inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "aws_access_key_id"
        {
            return Some(value.trim().to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_in_both_files() {
        let text = "[default]\naws_access_key_id=A\n[profile  team b] # ours\nregion = x\naws_access_key_id = B\n[profiles]\naws_access_key_id = C\n";
        for (name, key) in [("default", Some("A")), ("team b", Some("B")), ("profiles", Some("C")), ("team", None), ("s", None)] {
            assert_eq!(key_of_profile(text, name).as_deref(), key, "{name}");
        }
        assert_eq!(key_of_profile("[a]\n# aws_access_key_id = X\n[b]\naws_access_key_id = Y\n", "a"), None);
    }
}
