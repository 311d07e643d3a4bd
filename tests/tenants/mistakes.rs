//! Ways to get a configuration of two tenants wrong. Each is made at both ends of both.

use crate::setting::{Login, Setting, Store, TENANTS};

/// `who` is the tenant that errs, `side` the end of its job.
pub type Mistake = fn(&mut Setting, usize, usize);

/// A location with the path of another.
fn path_of(location: &str) -> String {
    location.split_once(':').unwrap().1.to_owned()
}

/// A root of the erring tenant that is the other's, and a job below it: what a wrong spelling would hide.
fn onto_the_other(setting: &mut Setting, who: usize, side: usize, respell: impl FnOnce(&str) -> String) {
    let store = setting.store(who, side);
    store.url = respell(&store.url);
    let name = store.name.clone();
    let other = path_of(&Setting::root(1 - who, side));
    setting.tenants[who].roots.push(format!("{name}:{other}"));
    *setting.place(who, side) = format!("{name}:{other}/x");
}

fn host(host: &'static str) -> impl FnOnce(&str) -> String {
    move |url| url.replace("127.0.0.1", host)
}

fn line(setting: &mut Setting, who: usize, line: &str) {
    setting.jobs[who].lines += &format!("{line}\n");
}

fn replace(setting: &mut Setting, who: usize, side: usize, from: &str, to: &str) {
    let place = setting.place(who, side);
    *place = place.replacen(from, to, 1);
}

pub const MISTAKES: &[(&str, Mistake)] = &[
    // Locations.
    ("a location beside the root", |s, who, side| replace(s, who, side, "/x", "x")),
    ("a location whose name begins like the root", |s, who, side| replace(s, who, side, "/x", "-more/x")),
    ("the first tenant's prefix as the second's", |s, who, side| {
        let path = path_of(&Setting::root(1 - who, side));
        let own = s.place(who, side).split_once(':').unwrap().0.to_owned();
        *s.place(who, side) = format!("{own}:{path}/x");
    }),
    ("the folder above the root", |s, who, side| {
        let (above, _) = Setting::root(who, side).rsplit_once('/').map(|(above, rest)| (above.to_owned(), rest.to_owned())).unwrap();
        *s.place(who, side) = above;
    }),
    ("the root itself without a slash, where an object bears its name", |s, who, side| *s.place(who, side) = Setting::root(who, side)),
    ("the root itself", |s, who, side| *s.place(who, side) = Setting::root(who, side) + "/"),
    ("a slash too many", |s, who, side| replace(s, who, side, "/x", "//x")),
    ("a way up", |s, who, side| replace(s, who, side, "/x", "/../x")),
    ("a way up to the other", |s, who, side| {
        let other = Setting::root(1 - who, side).rsplit_once('/').unwrap().1.to_owned();
        replace(s, who, side, "/x", &format!("/../{other}/x"));
    }),
    ("a way up from the bucket", |s, who, side| replace(s, who, side, ":", ":../")),
    ("a bucket that is a dot", |s, who, side| replace(s, who, side, ":", ":./")),
    ("an escaped way up", |s, who, side| replace(s, who, side, "/x", "/%2e%2e/team-ab/x")),
    ("an escaped slash", |s, who, side| replace(s, who, side, "/x", "%2Fx")),
    ("an escaped bucket", |s, who, side| {
        replace(s, who, side, ":data", ":d%61ta");
        replace(s, who, side, ":backup", ":b%61ckup");
    }),
    ("a query behind the bucket", |s, who, side| {
        replace(s, who, side, ":data/", ":data?prefix=/");
        replace(s, who, side, ":backup/", ":backup?prefix=/");
    }),
    ("a fragment behind the prefix", |s, who, side| replace(s, who, side, "/x", "#/x")),
    ("a query behind the prefix", |s, who, side| replace(s, who, side, "/x", "/x?prefix=team-ab/&x=")),
    ("a line break in the prefix", |s, who, side| replace(s, who, side, "/x", "/x\n../team-ab")),
    ("a prefix of a letter that is written in two ways", |s, who, side| replace(s, who, side, "/x", "/e\u{301}")),
    ("a letter of another case", |s, who, side| replace(s, who, side, "team", "Team")),
    ("another bucket", |s, who, side| replace(s, who, side, ":", ":elsewhere/")),
    ("no prefix", |s, who, side| {
        let bucket = s.place(who, side).split_once('/').unwrap().0.to_owned();
        *s.place(who, side) = bucket;
    }),
    ("the other tenant's store", |s, who, side| {
        let path = path_of(s.place(who, side));
        let other = s.store(1 - who, side).name.clone();
        *s.place(who, side) = format!("{other}:{path}");
    }),
    ("the other tenant's location", |s, who, side| {
        let other = s.place(1 - who, side).clone();
        *s.place(who, side) = other;
    }),
    ("the locations of both, swapped", |s, who, side| {
        let (own, other) = (s.place(who, side).clone(), s.place(1 - who, side).clone());
        *s.place(who, side) = other;
        *s.place(1 - who, side) = own;
    }),
    ("a location with the credentials of the process", |s, who, side| {
        let path = path_of(s.place(who, side));
        *s.place(who, side) = format!("s3://{path}");
    }),
    ("the other tenant's location with the credentials of the process, by a job of nobody", |s, who, side| {
        let path = path_of(s.place(1 - who, side));
        *s.place(who, side) = format!("s3://{path}");
        s.jobs[who].tenant = None;
    }),
    ("a directory of the machine", |s, who, side| *s.place(who, side) = "/var/empty/x".into()),
    // Owners.
    ("no such tenant", |s, who, _| s.jobs[who].tenant = Some("ba".into())),
    ("no tenant", |s, who, _| s.jobs[who].tenant = None),
    ("a tenant of another case", |s, who, _| s.jobs[who].tenant = Some(TENANTS[who].to_uppercase())),
    ("the key `tenant`, misspelt", |s, who, _| {
        s.jobs[who].tenant = None;
        line(s, who, &format!("tennant = \"{}\"", TENANTS[who]));
    }),
    ("the job of the other tenant", |s, who, _| s.jobs[who].tenant = Some(TENANTS[1 - who].into())),
    ("the tenants of both jobs, swapped", |s, who, _| {
        s.jobs[who].tenant = Some(TENANTS[1 - who].into());
        s.jobs[1 - who].tenant = Some(TENANTS[who].into());
    }),
    ("after a job of the other tenant", |s, who, _| {
        let other = s.jobs[1 - who].name.clone();
        line(s, who, &format!("after = \"{other}\""));
    }),
    ("a store that both own", |s, who, side| {
        let store = s.store(1 - who, side).name.clone();
        s.tenants[who].stores.push(store);
    }),
    ("a store that both own and that says so", |s, who, side| {
        let store = s.store(1 - who, side).name.clone();
        s.store(1 - who, side).lines += "shared = true\n";
        s.tenants[who].stores.push(store);
    }),
    ("the stores of both, swapped", |s, who, _| {
        let (own, other) = (s.tenants[who].stores.clone(), s.tenants[1 - who].stores.clone());
        s.tenants[who].stores = other;
        s.tenants[1 - who].stores = own;
    }),
    ("a store that there is not", |s, who, side| s.tenants[who].stores[side] += "z"),
    ("no stores", |s, who, _| s.tenants[who].stores.clear()),
    // Roots.
    ("no roots", |s, who, _| s.tenants[who].roots.clear()),
    ("a root that is the bucket", |s, who, side| {
        let bucket = Setting::root(who, side).split_once('/').unwrap().0.to_owned();
        s.tenants[who].roots.push(bucket);
    }),
    ("the other's root, through an own store", |s, who, side| onto_the_other(s, who, side, str::to_owned)),
    ("a root inside the other's, through an own store", |s, who, side| {
        let (own, path) = (s.store(who, side).name.clone(), path_of(&Setting::root(1 - who, side)));
        s.tenants[who].roots.push(format!("{own}:{path}/x"));
        *s.place(who, side) = format!("{own}:{path}/x/y");
    }),
    ("a root in a store of the other", |s, who, side| {
        let other = s.store(1 - who, side).name.clone();
        s.tenants[who].roots.push(format!("{other}:elsewhere"));
        *s.place(who, side) = format!("{other}:elsewhere/x");
    }),
    ("a root in no store", |s, who, side| {
        s.tenants[who].roots.push("s3://elsewhere".into());
        *s.place(who, side) = "s3://elsewhere/x".into();
    }),
    ("the roots of both, swapped", |s, who, _| {
        let (own, other) = (s.tenants[who].roots.clone(), s.tenants[1 - who].roots.clone());
        s.tenants[who].roots = other;
        s.tenants[1 - who].roots = own;
    }),
    ("a root with a way up", |s, who, side| {
        let own = s.store(who, side).name.clone();
        let path = path_of(&Setting::root(1 - who, side)).replacen('/', "/z/../", 1);
        s.tenants[who].roots.push(format!("{own}:{path}"));
        *s.place(who, side) = format!("{own}:{path}/x");
    }),
    // Other spellings of one endpoint.
    ("the machine by its name", |s, who, side| onto_the_other(s, who, side, host("localhost"))),
    ("the machine by its name in capitals", |s, who, side| onto_the_other(s, who, side, host("LOCALHOST"))),
    ("the machine with a dot at its end", |s, who, side| onto_the_other(s, who, side, host("localhost."))),
    ("an address with a dot at its end", |s, who, side| onto_the_other(s, who, side, host("127.0.0.1."))),
    ("a short address", |s, who, side| onto_the_other(s, who, side, host("127.1"))),
    ("an address that is one number", |s, who, side| onto_the_other(s, who, side, host("2130706433"))),
    ("an address in hexadecimal", |s, who, side| onto_the_other(s, who, side, host("0x7f.0.0.1"))),
    ("an address in octal", |s, who, side| onto_the_other(s, who, side, host("0177.0.0.1"))),
    ("another address of the loopback", |s, who, side| onto_the_other(s, who, side, host("127.0.0.2"))),
    ("the address of any interface", |s, who, side| onto_the_other(s, who, side, host("0.0.0.0"))),
    ("an address of the newer kind that holds one of the older", |s, who, side| onto_the_other(s, who, side, host("[::ffff:127.0.0.1]"))),
    ("the loopback of the newer kind", |s, who, side| onto_the_other(s, who, side, host("[::1]"))),
    ("a user before the host", |s, who, side| onto_the_other(s, who, side, host("somebody@127.0.0.1"))),
    ("a slash behind the port", |s, who, side| onto_the_other(s, who, side, |url| format!("{url}/"))),
    ("a query behind the port", |s, who, side| onto_the_other(s, who, side, |url| format!("{url}/?x"))),
    ("a fragment behind the port", |s, who, side| onto_the_other(s, who, side, |url| format!("{url}#x"))),
    ("a port with a nought before it", |s, who, side| onto_the_other(s, who, side, |url| url.replace("127.0.0.1:", "127.0.0.1:0"))),
    ("no endpoint, where the environment has one", |s, who, side| onto_the_other(s, who, side, |_| String::new())),
    ("no endpoint, where the profile has one", |s, who, side| {
        let Login::Environment(name) = s.store(who, side).login.clone() else { unreachable!("so it is made") };
        s.store(who, side).login = Login::Profile(name);
        onto_the_other(s, who, side, |_| String::new());
    }),
    ("a path behind the endpoint, which is another bucket", |s, who, side| {
        let bucket = ["data", "backup"][side];
        let other = Setting::root(1 - who, side).rsplit_once('/').unwrap().1.to_owned();
        let store = s.store(who, side);
        store.url += &format!("/{bucket}");
        let name = store.name.clone();
        s.tenants[who].roots.push(format!("{name}:{other}"));
        *s.place(who, side) = format!("{name}:{other}/x");
    }),
    ("a path with a slash behind the endpoint, which is another bucket", |s, who, side| {
        let bucket = ["data", "backup"][side];
        let other = Setting::root(1 - who, side).rsplit_once('/').unwrap().1.to_owned();
        let store = s.store(who, side);
        store.url += &format!("/{bucket}/");
        let name = store.name.clone();
        s.tenants[who].roots.push(format!("{name}:{other}"));
        *s.place(who, side) = format!("{name}:{other}/x");
    }),
    ("a path behind the endpoint by a way up", |s, who, side| {
        onto_the_other(s, who, side, |url| format!("{url}/x/.."));
    }),
    ("the bucket in the host's name", |s, who, side| {
        onto_the_other(s, who, side, host("localhost"));
        s.store(who, side).lines += "path_style = false\n";
    }),
    // Credentials.
    ("no credentials", |s, who, side| s.store(who, side).login = Login::Ambient),
    ("no credentials, and a store that says it is shared", |s, who, side| {
        s.store(who, side).login = Login::Ambient;
        s.store(who, side).lines += "shared = true\n";
    }),
    ("no signature", |s, who, side| s.store(who, side).login = Login::Anonymous),
    ("the other tenant's credentials", |s, who, side| s.store(who, side).login = s.store(1 - who, side).login.clone()),
    ("the credentials of both, swapped", |s, who, side| {
        let (own, other) = (s.store(who, side).login.clone(), s.store(1 - who, side).login.clone());
        s.store(who, side).login = other;
        s.store(1 - who, side).login = own;
    }),
    ("the other tenant's credentials by a profile", |s, who, side| {
        let Login::Environment(name) = s.store(1 - who, side).login.clone() else { unreachable!("so it is made") };
        s.store(who, side).login = Login::Profile(name);
    }),
    ("variables that hold the other tenant's key", |s, who, side| {
        let key = s.environment.values().nth((1 - who) * 2 + side).unwrap().clone();
        *s.environment.values_mut().nth(who * 2 + side).unwrap() = key;
    }),
    ("variables that are not set", |s, who, side| s.store(who, side).login = Login::Environment("NOBODY".into())),
    ("variables of another case", |s, who, side| {
        let Login::Environment(name) = s.store(who, side).login.clone() else { unreachable!("so it is made") };
        s.store(who, side).login = Login::Environment(name.to_lowercase());
    }),
    ("two ways to say which credentials", |s, who, side| s.store(who, side).lines += "profile = \"B_IN\"\n"),
    ("a second store with the other's credentials", |s, who, side| {
        let other = s.store(1 - who, side).clone();
        s.stores.push(Store { name: "spare".into(), ..other });
        s.tenants[who].stores.push("spare".into());
        let path = path_of(s.place(who, side));
        *s.place(who, side) = format!("spare:{path}");
    }),
    // What a job may ask for besides.
    ("keys by name that lead elsewhere", |s, who, _| {
        let path = s.files.join("names").display().to_string();
        line(s, who, &format!("files_from = {path:?}"));
    }),
    ("a filter that leads elsewhere", |s, who, _| line(s, who, "filter = [\"+ ../team-ab/**\", \"+ /team-ab/**\", \"+ **\"]")),
    ("an inventory elsewhere", |s, who, _| line(s, who, "source_inventory = \"b-in:data/team-ab/manifest.json\"")),
    ("a manifest elsewhere", |s, who, _| line(s, who, "source_manifest = \"state/b/manifest.parquet\"")),
    ("a report elsewhere", |s, who, _| line(s, who, "report = \"state/b/report.json\"")),
    ("an endpoint in the job", |s, who, _| line(s, who, "source_endpoint_url = \"http://127.0.0.1:1\"")),
    ("a profile in the job", |s, who, _| line(s, who, "target_profile = \"B_OUT\"")),
    ("a marker elsewhere", |s, who, _| line(s, who, "ready_when = { marker = \"../team-ab/x/one\" }")),
    ("a storage class that is an option", |s, who, _| line(s, who, "storage_class = \"--target-profile=B_OUT\"")),
    ("metadata that is a header", |s, who, _| line(s, who, "set_metadata = { x-amz-copy-source = \"data/team-ab/x/one\" }")),
    ("deletes at the root", |s, who, _| {
        s.jobs[who].target = Setting::root(who, 1);
        line(s, who, "mode = \"sync\"\ndelete = true\nmax_delete_percent = 100");
    }),
    // State.
    ("the same state directory", |s, who, _| s.tenants[who].state_dir = s.tenants[1 - who].state_dir.clone()),
    ("a state directory in the other's", |s, who, _| s.tenants[who].state_dir = s.tenants[1 - who].state_dir.join("x")),
    ("a state directory that holds the other's", |s, who, _| {
        s.tenants[who].state_dir = s.tenants[1 - who].state_dir.parent().unwrap().to_owned();
    }),
    ("a state directory by a link", |s, who, _| s.tenants[who].state_dir = s.files.join(format!("link-to-{}", TENANTS[1 - who]))),
    ("a state directory below a link", |s, who, _| s.tenants[who].state_dir = s.files.join(format!("link-to-{}/x", TENANTS[1 - who]))),
    ("a state directory by a way up", |s, who, _| {
        s.tenants[who].state_dir = s.files.join(format!("state/mine/../{}", TENANTS[1 - who]));
    }),
    ("a state directory that depends on where one stands", |s, who, _| {
        s.tenants[who].state_dir = format!("state/{}", TENANTS[1 - who]).into();
    }),
];
