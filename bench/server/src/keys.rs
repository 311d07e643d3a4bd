//! The names, sizes and contents of generated objects, by arithmetic: the object at an index is computed, never stored.
//!
//! A shape gives keys that ascend strictly with their index, so a binary search over indices is all that a lookup, a listing
//! from any point and a prefix need. Ten million keys take no memory.

use std::io::Write as _;

/// Objects in one directory of a deep tree.
const LEAF_OBJECTS: u64 = 100;
/// Directories in a directory of a deep tree.
const FAN_OUT: u64 = 20;
/// Links and manifests of one repository.
const REPOSITORY_OBJECTS: u64 = 64;
/// Of how many objects of a registry one is a blob; the rest are links and manifests, as many repositories share blobs.
const REGISTRY_BLOB_EVERY: u64 = 3;
/// Size of a link: `sha256:` and 64 hexadecimal digits.
const LINK_BYTES: u64 = 71;
/// Sizes of manifests.
const MANIFEST_BYTES: [u64; 4] = [528, 1_157, 2_048, 5_632];
/// Sizes of blobs and how many of a hundred have them: configurations, small layers, base layers.
const BLOB_BYTES: [(u64, u64); 8] =
    [(1_469, 34), (6_656, 16), (32_768, 16), (131_072, 12), (524_288, 10), (2_097_152, 7), (4_194_304, 4), (16_777_216, 1)];
/// Sizes of a range of sizes.
const RANGE_SIZES: u32 = 16;

/// How keys look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Consecutive numbers under one prefix.
    Flat,
    /// Hexadecimal digests under one prefix, evenly spread.
    Hashed,
    /// A tree of directories with a hundred objects in each leaf.
    Deep,
    /// A container registry: blobs by digest, links, manifests, a few bundles.
    Registry,
}

/// What a bucket is generated from.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// How keys look.
    pub layout: Layout,
    /// How many there are.
    pub objects: u64,
    /// What every key starts with.
    pub prefix: String,
    /// Smallest and largest size in bytes, where the layout leaves the choice.
    pub size: (u64, u64),
    /// Bundles of a registry, among its objects.
    pub bundles: u64,
    /// Size of a bundle in bytes.
    pub bundle_bytes: u64,
    /// Chooses sizes and contents.
    pub seed: u64,
}

/// A generated key space.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    recipe: Recipe,
    sizes: Vec<u64>,
    levels: u32,
}

/// A good scramble of 64 bits (Vigna's splitmix64).
pub(crate) fn scramble(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Shape {
    /// The key space of a recipe.
    pub(crate) fn new(recipe: Recipe) -> Self {
        let sizes = sizes(&recipe);
        let leaves = recipe.objects.div_ceil(LEAF_OBJECTS);
        let mut levels = 1;
        while FAN_OUT.pow(levels) < leaves {
            levels += 1;
        }
        Self { recipe, sizes, levels }
    }

    /// How many objects there are.
    pub(crate) fn objects(&self) -> u64 {
        self.recipe.objects
    }

    /// All sizes that occur, in bytes.
    pub(crate) fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// Writes the key at `index` into `key`, which is emptied first.
    pub(crate) fn key(&self, index: u64, key: &mut Vec<u8>) {
        key.clear();
        key.extend_from_slice(self.recipe.prefix.as_bytes());
        match self.recipe.layout {
            Layout::Flat => decimal(key, index, 10),
            Layout::Hashed => digest(key, index, self.recipe.objects),
            Layout::Deep => self.deep(index, key),
            Layout::Registry => self.registry(index, key),
        }
    }

    fn deep(&self, index: u64, key: &mut Vec<u8>) {
        let leaf = index / LEAF_OBJECTS;
        for level in (0..self.levels).rev() {
            key.extend_from_slice(b"dir-");
            decimal(key, leaf / FAN_OUT.pow(level) % FAN_OUT, 2);
            key.push(b'/');
        }
        key.extend_from_slice(b"object-");
        decimal(key, index % LEAF_OBJECTS, 4);
    }

    fn registry(&self, index: u64, key: &mut Vec<u8>) {
        let (bundles, blobs) = (self.recipe.bundles, self.blobs());
        if index < bundles {
            write!(key, "airgap/bundle-{index:04}.tar").expect("writing to memory never fails");
        } else if index < bundles + blobs {
            let at = key.len();
            key.extend_from_slice(b"blobs/sha256/00/");
            digest(key, index - bundles, blobs);
            let byte = [key[at + 16], key[at + 17]];
            key[at + 13..at + 15].copy_from_slice(&byte);
            key.extend_from_slice(b"/data");
        } else {
            let link = index - bundles - blobs;
            key.extend_from_slice(b"repositories/app-");
            decimal(key, link / REPOSITORY_OBJECTS, 6);
            let within = link % REPOSITORY_OBJECTS;
            let (folder, within, end): (&[u8], u64, &[u8]) = match within < REPOSITORY_OBJECTS / 2 {
                true => (b"/_layers/sha256/", within, b"/link"),
                false => (b"/_manifests/revisions/sha256/", within - REPOSITORY_OBJECTS / 2, b"/data"),
            };
            key.extend_from_slice(folder);
            digest(key, within, REPOSITORY_OBJECTS / 2);
            key.extend_from_slice(end);
        }
    }

    fn blobs(&self) -> u64 {
        (self.recipe.objects - self.recipe.bundles.min(self.recipe.objects)) / REGISTRY_BLOB_EVERY
    }

    /// The size of the object at `index`, as a place in `sizes`, and a number from which its content is chosen.
    pub(crate) fn content(&self, index: u64) -> (usize, u64) {
        let chance = scramble(self.recipe.seed ^ scramble(index));
        let slot = match self.recipe.layout {
            Layout::Registry => self.registry_size(index, chance),
            _ => usize::try_from(chance % u64::try_from(self.sizes.len()).expect("a short list")).expect("a place in a short list"),
        };
        (slot, chance >> 32)
    }

    fn registry_size(&self, index: u64, chance: u64) -> usize {
        let (bundles, blobs) = (self.recipe.bundles, self.blobs());
        let small = MANIFEST_BYTES.len() + 2;
        if index < bundles {
            return 0;
        }
        if index < bundles + blobs {
            let mut left = chance % 100;
            for (slot, (_, share)) in BLOB_BYTES.iter().enumerate() {
                if left < *share {
                    return small + slot;
                }
                left -= share;
            }
            return small;
        }
        let within = (index - bundles - blobs) % REPOSITORY_OBJECTS;
        if within < REPOSITORY_OBJECTS / 2 { 1 } else { 2 + usize::try_from(chance % 4).expect("less than four") }
    }

    /// The index of the first key that is not less than `wanted`.
    pub(crate) fn lower_bound(&self, wanted: &[u8]) -> u64 {
        let mut key = Vec::with_capacity(128);
        let (mut low, mut high) = (0, self.recipe.objects);
        while low < high {
            let middle = low + (high - low) / 2;
            self.key(middle, &mut key);
            if key.as_slice() < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The index of a key, if it is one of these.
    pub(crate) fn find(&self, wanted: &[u8]) -> Option<u64> {
        let index = self.lower_bound(wanted);
        if index == self.recipe.objects {
            return None;
        }
        let mut key = Vec::with_capacity(wanted.len());
        self.key(index, &mut key);
        (key == wanted).then_some(index)
    }
}

fn sizes(recipe: &Recipe) -> Vec<u64> {
    if recipe.layout == Layout::Registry {
        let head = [recipe.bundle_bytes, LINK_BYTES];
        return head.into_iter().chain(MANIFEST_BYTES).chain(BLOB_BYTES.map(|(bytes, _)| bytes)).collect();
    }
    let (small, large) = recipe.size;
    if small == large {
        return vec![small];
    }
    // A geometric row, by integers: each step is the same fraction of what is left.
    let mut row = Vec::new();
    let mut size = small.max(1);
    for step in 0..RANGE_SIZES {
        row.push(size);
        let left = u64::from(RANGE_SIZES - 1 - step);
        size = if left == 0 { size } else { grow(size, large, left) };
    }
    row.dedup();
    row
}

/// One of `steps` equal factors from `from` to `to`: the largest size whose `steps`-fold growth stays at or below `to`.
fn grow(from: u64, to: u64, steps: u64) -> u64 {
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let mut reached = u128::from(from);
        for _ in 0..steps {
            reached = reached * u128::from(middle) / u128::from(from);
            if reached > u128::from(to) {
                break;
            }
        }
        if reached > u128::from(to) { high = middle - 1 } else { low = middle }
    }
    low
}

/// A number of exactly `width` digits.
fn decimal(out: &mut Vec<u8>, number: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    let mut left = number;
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + u8::try_from(left % 10).expect("a digit");
        left /= 10;
    }
}

/// Sixty-four hexadecimal digits that ascend with `index` below `count`.
fn digest(out: &mut Vec<u8>, index: u64, count: u64) {
    let step = u64::MAX / count.max(1);
    let mut word = index * step + scramble(index) % step.max(1);
    for _ in 0..4 {
        hex(out, &word.to_be_bytes());
        word = scramble(word ^ index);
    }
}

/// Hexadecimal digits of some bytes.
pub(crate) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(layout: Layout, objects: u64) -> Recipe {
        Recipe { layout, objects, prefix: "p/".into(), size: (1, 1 << 20), bundles: 2, bundle_bytes: 1 << 30, seed: 7 }
    }

    #[test]
    fn keys_ascend_and_are_found_again() {
        for layout in [Layout::Flat, Layout::Hashed, Layout::Deep, Layout::Registry] {
            for objects in [1, 2, 3, 100, 101, 7_000] {
                let shape = Shape::new(recipe(layout, objects));
                let (mut before, mut key) = (Vec::new(), Vec::new());
                for index in 0..objects {
                    shape.key(index, &mut key);
                    assert!(before < key, "{layout:?} {index} of {objects}");
                    assert_eq!(shape.find(&key), Some(index), "{layout:?}");
                    key.push(b'!');
                    assert_eq!((shape.find(&key), shape.lower_bound(&key)), (None, index + 1), "{layout:?}");
                    key.pop();
                    std::mem::swap(&mut before, &mut key);
                }
            }
        }
    }

    #[test]
    fn ten_million_keys_are_as_easy_as_ten() {
        let shape = Shape::new(recipe(Layout::Registry, 10_000_000));
        let mut key = Vec::new();
        for index in [0, 1, 2, 3_333_333, 9_999_999] {
            shape.key(index, &mut key);
            assert_eq!(shape.find(&key), Some(index), "{}", String::from_utf8_lossy(&key));
        }
    }

    #[test]
    fn sizes_stay_within_their_range() {
        let shape = Shape::new(recipe(Layout::Flat, 10));
        assert_eq!((shape.sizes().first(), shape.sizes().last()), (Some(&1), Some(&(1 << 20))));
        assert!(shape.sizes().windows(2).all(|pair| pair[0] < pair[1]), "{:?}", shape.sizes());
        assert!((0..1_000).all(|index| shape.content(index).0 < shape.sizes().len()));
    }
}
