use super::*;
use std::collections::BTreeMap;

struct Place {
    dir: tempfile::TempDir,
    env: BTreeMap<&'static str, String>,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), env: BTreeMap::new() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn admin(&self, args: &AdminArgs) -> Result<Found> {
        self.with(|around| args.resolve(around))
    }

    fn with<T>(&self, then: impl FnOnce(&Surroundings) -> T) -> T {
        let there = |name: &str| Some(self.dir.path().join(name)).filter(|path| path.exists());
        let env = |name: &str| self.env.get(name).cloned();
        then(&Surroundings { env: &env, user_file: there("config.toml"), dev_file: there("dev.json") })
    }
}

const DEV: &str = r#"{"data_url":"http://d:1","admin_url":"http://a:1","namespace":"live-origin",
    "encoder_api_key":"hw_dev_key","player_api_key":"p","admin_token":"hw_dev_token"}"#;

#[test]
fn flags_come_before_the_environment_before_the_file_before_dev_json() {
    let mut place = Place::new();
    let none = AdminArgs::default();
    let error = place.admin(&none).unwrap_err();
    assert!(error.to_string().contains("where the admin plane is"), "{error}");
    assert!(
        error.downcast_ref::<Explained>().unwrap().hint.as_ref().unwrap().contains("HEADWATER_ADMIN_URL")
    );

    place.file("dev.json", DEV);
    let found = place.admin(&none).unwrap();
    assert_eq!((found.url.as_str(), found.secret.as_deref()), ("http://a:1", Some("hw_dev_token")));
    assert!(found.note.unwrap().contains("dev.json"));

    place.file("config.toml", "admin_url = \"http://file:1\"\nadmin_token = \"of-file\"");
    let found = place.admin(&none).unwrap();
    assert_eq!((found.url.as_str(), found.secret.as_deref()), ("http://file:1", Some("of-file")));
    assert_eq!(found.note, None);

    place.env.insert("HEADWATER_ADMIN_URL", "http://env:1".into());
    place.env.insert("HEADWATER_ADMIN_TOKEN", "of-env".into());
    let found = place.admin(&none).unwrap();
    assert_eq!((found.url.as_str(), found.secret.as_deref()), ("http://env:1", Some("of-env")));

    let flags = AdminArgs {
        admin_url: Some("http://flag:1".into()),
        admin_token: Some("of-flag".to_owned().into()),
        admin_token_file: None,
    };
    let found = place.admin(&flags).unwrap();
    assert_eq!((found.url.as_str(), found.secret.as_deref()), ("http://flag:1", Some("of-flag")));
}

#[test]
fn a_secret_of_a_file_goes_only_to_the_url_beside_it() {
    let mut place = Place::new();
    place.file("dev.json", DEV);
    place.file("config.toml", "admin_url = \"http://file:1/\"\nadmin_token = \"of-file\"");
    let at = |url: &str| AdminArgs { admin_url: Some(url.into()), ..AdminArgs::default() };
    assert_eq!(place.admin(&at("http://other:1")).unwrap().secret, None);
    assert_eq!(place.admin(&at("http://file:1")).unwrap().secret.as_deref(), Some("of-file"));
    assert_eq!(place.admin(&at("http://a:1")).unwrap().secret.as_deref(), Some("hw_dev_token"));
    place.env.insert("HEADWATER_ADMIN_TOKEN", "of-env".into());
    assert_eq!(place.admin(&at("http://other:1")).unwrap().secret.as_deref(), Some("of-env"));
    // A file that names no URL means its secret for whatever is asked.
    place.env.clear();
    place.file("config.toml", "admin_token = \"of-file\"");
    assert_eq!(place.admin(&at("http://other:1")).unwrap().secret.as_deref(), Some("of-file"));
}

#[test]
fn secrets_are_read_from_files_plain_and_as_made() {
    let place = Place::new();
    let plain = place.file("plain", "hw_a_b\n");
    let made = place.file("made.json", r#"{"api_key":"hw_c_d","id":"c"}"#);
    let neither = place.file("neither.json", "{}");
    let with = |file: &Path| AdminArgs {
        admin_url: Some("http://x".into()),
        admin_token: None,
        admin_token_file: Some(file.into()),
    };
    assert_eq!(place.admin(&with(&plain)).unwrap().secret.as_deref(), Some("hw_a_b"));
    assert_eq!(place.admin(&with(&made)).unwrap().secret.as_deref(), Some("hw_c_d"));
    assert!(place.admin(&with(&neither)).unwrap_err().to_string().contains("has no api_key"));
    assert!(place.admin(&with(&place.dir.path().join("none"))).is_err());
}

#[test]
fn the_data_plane_has_a_namespace_too() {
    let mut place = Place::new();
    place.file("dev.json", DEV);
    let args = DataArgs::default();
    let (found, namespace) = place.with(|around| args.resolve(around)).unwrap();
    assert_eq!((found.secret.as_deref(), namespace.as_deref()), (Some("hw_dev_key"), Some("live-origin")));
    place.env.insert("HEADWATER_NAMESPACE", "vod".into());
    let (_, namespace) = place.with(|around| args.resolve(around)).unwrap();
    assert_eq!(namespace.as_deref(), Some("vod"));
}

#[test]
fn a_malformed_file_is_named_and_its_secrets_are_not_shown() {
    let place = Place::new();
    place.file("config.toml", "admin_token = \"very-secret\" x");
    let error = format!("{:#}", place.admin(&AdminArgs::default()).unwrap_err());
    assert!(error.contains("config.toml") && !error.contains("very-secret"), "{error}");
    place.file("config.toml", "admin_tokn = \"very-secret\"");
    let error = format!("{:#}", place.admin(&AdminArgs::default()).unwrap_err());
    assert!(error.contains("admin_tokn") && !error.contains("very-secret"), "{error}");
}
