//! Reading FlatBuffers, with every offset checked.
//!
//! The layout is that of the [FlatBuffers internals](https://flatbuffers.dev/internals/): a table starts with the signed
//! distance back to its vtable, whose 16-bit entries say where in the table each field lies (0: it has its default);
//! strings, vectors and other tables are reached by unsigned distances forwards.  All numbers are little-endian.
//! Nothing recurses.  Parts may share their bytes, so that a small file can name many: the model bounds how much it takes.
#![forbid(unsafe_code)]

/// An offset led out of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Damaged;

/// A number as FlatBuffers stores it.
pub(crate) trait Scalar: Sized {
    /// Bytes that it takes.
    const SIZE: usize;
    /// From exactly [`Scalar::SIZE`] bytes.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

macro_rules! scalars {
    ($($type:ty),*) => {$(
        impl Scalar for $type {
            const SIZE: usize = size_of::<$type>();
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                Some(<$type>::from_le_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}
scalars!(u8, i8, u16, i32, u32, i64, f32);

fn read<T: Scalar>(bytes: &[u8], at: usize) -> Result<T, Damaged> {
    let end = at.checked_add(T::SIZE).ok_or(Damaged)?;
    bytes.get(at..end).and_then(T::from_bytes).ok_or(Damaged)
}

/// The position that the unsigned offset at `at` leads to.
fn follow(bytes: &[u8], at: usize) -> Result<usize, Damaged> {
    let distance = read::<u32>(bytes, at)?;
    at.checked_add(usize::try_from(distance).map_err(|_| Damaged)?).ok_or(Damaged)
}

/// A table in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Table<'a> {
    /// The root of a file that carries `identifier`.
    pub(crate) fn root(bytes: &'a [u8], identifier: &[u8; 4]) -> Result<Self, Damaged> {
        if bytes.get(4..8) != Some(identifier) {
            return Err(Damaged);
        }
        Ok(Self { bytes, at: follow(bytes, 0)? })
    }

    /// Where field `index` lies, counted from 0 as in the schema; `None` if the file leaves it out.
    fn field(self, index: usize) -> Result<Option<usize>, Damaged> {
        let back = read::<i32>(self.bytes, self.at)?;
        let vtable = i64::try_from(self.at).map_err(|_| Damaged)? - i64::from(back);
        let vtable = usize::try_from(vtable).map_err(|_| Damaged)?;
        let entry = 4 + 2 * index;
        if entry + 2 > usize::from(read::<u16>(self.bytes, vtable)?) {
            return Ok(None);
        }
        match read::<u16>(self.bytes, vtable.checked_add(entry).ok_or(Damaged)?)? {
            0 => Ok(None),
            offset => self.at.checked_add(usize::from(offset)).map(Some).ok_or(Damaged),
        }
    }

    /// A number, or `default` if the file leaves it out.
    pub(crate) fn scalar<T: Scalar>(self, index: usize, default: T) -> Result<T, Damaged> {
        self.field(index)?.map_or(Ok(default), |at| read(self.bytes, at))
    }

    /// A table, if the file has it.
    pub(crate) fn table(self, index: usize) -> Result<Option<Self>, Damaged> {
        let Some(at) = self.field(index)? else { return Ok(None) };
        Ok(Some(Self { bytes: self.bytes, at: follow(self.bytes, at)? }))
    }

    /// A vector of elements of `size` bytes each; an absent one is empty.
    fn elements(self, index: usize, size: usize) -> Result<&'a [u8], Damaged> {
        let Some(at) = self.field(index)? else { return Ok(&[]) };
        let at = follow(self.bytes, at)?;
        let length = read::<u32>(self.bytes, at)? as usize;
        let start = at.checked_add(4).ok_or(Damaged)?;
        let end = length.checked_mul(size).and_then(|bytes| start.checked_add(bytes)).ok_or(Damaged)?;
        self.bytes.get(start..end).ok_or(Damaged)
    }

    /// A vector of bytes, or a string.
    pub(crate) fn bytes(self, index: usize) -> Result<&'a [u8], Damaged> {
        self.elements(index, 1)
    }

    /// A vector of numbers.
    pub(crate) fn scalars<T: Scalar>(
        self,
        index: usize,
    ) -> Result<impl ExactSizeIterator<Item = T> + 'a, Damaged> {
        let elements = self.elements(index, T::SIZE)?.chunks_exact(T::SIZE);
        Ok(elements.map(|bytes| T::from_bytes(bytes).expect("chunks have the size asked for")))
    }

    /// A vector of tables.
    pub(crate) fn tables(
        self,
        index: usize,
    ) -> Result<impl ExactSizeIterator<Item = Result<Self, Damaged>> + 'a, Damaged> {
        let elements = self.elements(index, 4)?;
        let bytes = self.bytes;
        // The slice lies inside the file, so that the difference of the two addresses is its position.
        let start = elements.as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
        let positions = (0..elements.len() / 4).map(move |element| start + 4 * element);
        Ok(positions.map(move |at| Ok(Self { bytes, at: follow(bytes, at)? })))
    }
}
