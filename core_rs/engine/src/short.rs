//! Ids that mostly need no memory of their own, so that comparing with one is no second look elsewhere.

/// The longest id that needs none.
const SHORT: usize = 22;

/// An id; where it stands, up to 22 bytes of it stand, too.
pub enum Id {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<str>),
}

impl Id {
    pub fn new(id: &str) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..id.len()) {
            Some(room) => {
                room.copy_from_slice(id.as_bytes());
                let length = id.len() as u8;
                Self::Short { length, bytes }
            }
            None => Self::Long(id.into()),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => &bytes[..usize::from(*length).min(SHORT)],
            Self::Long(id) => id.as_bytes(),
        }
    }

    /// Bytes it takes elsewhere.
    pub fn memory(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(id) => id.len(),
        }
    }
}
