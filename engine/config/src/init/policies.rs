//! Least rights by role, as the two clouds write them.
//!
//! S3 can allow a delete that names the version it means (`If-Match`) and no other: condition key `s3:if-match` ("Enforcing conditional
//! deletes"). Google's IAM has no such condition: there a deleter could delete anything below the prefix, so object versioning or
//! soft delete is advised beside it. Replacing an object takes `storage.objects.delete` there, so a writer has it as well.

use brigade_core::location::BucketPath;

use super::Provider;

/// Who does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Lists and reads: a source.
    Reader,
    /// Lists, reads and writes: a target.
    Writer,
    /// Deletes what was proven: the source of `migrate`, the target of `sync --delete`. Beside one of the others.
    Deleter,
}

impl Role {
    /// As people say it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Deleter => "deleter",
        }
    }
}

/// The rights of a role below a bucket's prefix.
pub fn policy(provider: Provider, role: Role, path: &BucketPath) -> String {
    match provider {
        Provider::Aws => aws(role, path),
        Provider::Google => google(role, path),
    }
}

fn aws(role: Role, path: &BucketPath) -> String {
    let (bucket, prefix) = (json(&path.bucket), json(&path.key_prefix()));
    let objects = |actions: &str, condition: &str| {
        format!(
            "    {{ \"Effect\": \"Allow\", \"Action\": [{actions}],\n      \"Resource\": \"arn:aws:s3:::{bucket}/{prefix}*\"{condition} }}"
        )
    };
    let below = match prefix.is_empty() {
        true => String::new(),
        false => format!(",\n      \"Condition\": {{ \"StringLike\": {{ \"s3:prefix\": \"{prefix}*\" }} }}"),
    };
    let listing =
        format!("    {{ \"Effect\": \"Allow\", \"Action\": [\"s3:ListBucket\"],\n      \"Resource\": \"arn:aws:s3:::{bucket}\"{below} }}");
    let uploads = format!(
        "    {{ \"Effect\": \"Allow\", \"Action\": [\"s3:ListBucketMultipartUploads\"],\n      \"Resource\": \"arn:aws:s3:::{bucket}\" }}"
    );
    let statements = match role {
        Role::Reader => vec![listing, objects("\"s3:GetObject\"", "")],
        Role::Writer => {
            let writes = "\"s3:GetObject\", \"s3:PutObject\", \"s3:AbortMultipartUpload\", \"s3:ListMultipartUploadParts\"";
            vec![listing, uploads, objects(writes, "")]
        }
        Role::Deleter => {
            let named_only = ",\n      \"Condition\": { \"Null\": { \"s3:if-match\": \"false\" } }";
            vec![objects("\"s3:GetObject\"", ""), objects("\"s3:DeleteObject\"", named_only)]
        }
    };
    format!("{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n{}\n  ]\n}}\n", statements.join(",\n"))
}

fn google(role: Role, path: &BucketPath) -> String {
    let permissions = match role {
        Role::Reader => "storage.objects.list,storage.objects.get",
        Role::Writer => {
            "storage.objects.list,storage.objects.get,storage.objects.create,storage.objects.delete,storage.multipartUploads.create,\
             storage.multipartUploads.abort,storage.multipartUploads.list,storage.multipartUploads.listParts"
        }
        Role::Deleter => "storage.objects.get,storage.objects.delete",
    };
    let (bucket, prefix) = (&path.bucket, path.key_prefix());
    let below = format!("resource.name.startsWith('projects/_/buckets/{bucket}/objects/{}')", prefix.replace('\'', "\\'"));
    let expression = format!("resource.type == 'storage.googleapis.com/Bucket' || {below}");
    let word = role.word();
    let role_id = format!("brigade_{word}");
    format!(
        "gcloud iam roles create {role_id} --project=\"$PROJECT\" --permissions={permissions}\n\
         gcloud storage buckets add-iam-policy-binding gs://{bucket} --member=\"serviceAccount:$ACCOUNT\" \\\n  \
         --role=\"projects/$PROJECT/roles/{role_id}\" \\\n  \
         --condition=\"title=brigade-{word},expression={expression}\"\n"
    )
}

/// A text inside the quotes of JSON.
fn json(text: &str) -> String {
    text.chars()
        .flat_map(|letter| match letter {
            '"' | '\\' => vec!['\\', letter],
            letter if letter.is_control() => format!("\\u{:04x}", u32::from(letter)).chars().collect(),
            letter => vec![letter],
        })
        .collect()
}
