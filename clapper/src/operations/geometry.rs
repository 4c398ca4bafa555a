//! How a window moves over a tensor.

use alloc::format;
use alloc::string::String;

use crate::flatbuffer::Table;
use crate::model::Shape;

/// A window that moves over rows and columns; pairs are rows and columns.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    pub(crate) window: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// Rows and columns of padding above and to the left.
    pub(crate) before: [usize; 2],
}

impl Geometry {
    /// From `[padding, stride of columns, stride of rows]` of an operation's options; `dilation` is [rows, columns].  The
    /// output has the rows and columns that they give, and `channels`.
    ///
    /// The padding is placed as the converter's `SAME` and `VALID` mean it.
    pub(crate) fn new(
        options: Table<'_>,
        window: [usize; 2],
        dilation: [i32; 2],
        input: Shape,
        channels: usize,
    ) -> Result<Self, String> {
        let number = |field| options.scalar::<i32>(field, 0).map_err(|_| String::from("damaged options"));
        let padding = options.scalar::<i8>(0, 0).map_err(|_| String::from("damaged options"))?;
        let positive = |what: &str, value: i32| {
            let value = usize::try_from(value).ok().filter(|value| (1..1 << 16).contains(value));
            value.ok_or_else(|| format!("{what} out of range, must be 1 to 65535"))
        };
        let stride = [positive("a stride", number(2)?)?, positive("a stride", number(1)?)?];
        let dilation = [positive("a dilation", dilation[0])?, positive("a dilation", dilation[1])?];
        let (mut before, mut size) = ([0; 2], [0; 2]);
        for axis in 0..2 {
            let from = input[axis + 1];
            let reach = (window[axis] - 1) * dilation[axis] + 1;
            if padding == 0 {
                size[axis] = from.div_ceil(stride[axis]);
                before[axis] = ((size[axis] - 1) * stride[axis] + reach).saturating_sub(from) / 2;
            } else {
                size[axis] = (from + 1).saturating_sub(reach).div_ceil(stride[axis]);
            }
        }
        if size.contains(&0) {
            return Err(format!("a window of {window:?} does not fit an input of shape {input:?}"));
        }
        let output = [input[0], size[0], size[1], channels];
        Ok(Self { input, output, window, stride, dilation, before })
    }

    /// Itself, if the output has the shape that the file says.
    pub(crate) fn with_output(self, output: Shape) -> Result<Self, String> {
        if self.output != output {
            return Err(format!("the output's shape is {output:?}, but must be {:?}", self.output));
        }
        Ok(self)
    }

    /// Whether each output sees exactly the pixel at its own place.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.window == [1, 1] && self.stride == [1, 1]
    }

    /// Where the window of an output row (axis 0) or column (axis 1) begins in the input, which may be before it.
    pub(crate) fn start(&self, axis: usize, at: usize) -> isize {
        (at * self.stride[axis]) as isize - self.before[axis] as isize
    }

    /// The input position under element `element` of a window that begins at `start`, if it is inside.
    pub(crate) fn under(&self, axis: usize, start: isize, element: usize) -> Option<usize> {
        let at = start + (element * self.dilation[axis]) as isize;
        usize::try_from(at).ok().filter(|&at| at < self.input[axis + 1])
    }

    /// The part of a window (without dilation) that lies inside: its first position and its length.
    pub(crate) fn inside(&self, axis: usize, at: usize) -> (usize, usize) {
        let start = self.start(axis, at);
        let end = (start + self.window[axis] as isize).min(self.input[axis + 1] as isize);
        let first = start.max(0);
        (first as usize, (end - first).max(0) as usize)
    }

    /// Outputs in one picture, row by row: number of picture, row, column.
    pub(crate) fn positions(&self) -> impl Iterator<Item = [usize; 3]> + use<> {
        let [pictures, rows, columns, _] = self.output;
        (0..pictures).flat_map(move |picture| {
            (0..rows).flat_map(move |row| (0..columns).map(move |column| [picture, row, column]))
        })
    }

    /// Where a pixel of the input begins.
    pub(crate) fn offset(&self, picture: usize, row: usize, column: usize) -> usize {
        ((picture * self.input[1] + row) * self.input[2] + column) * self.input[3]
    }
}
