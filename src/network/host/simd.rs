//! Sixteen values at a time, by whatever instructions the processor has.
//!
//! Inner loops are written once, as a [`Kernel`] over any [`Simd`], and compiled for each instruction set;
//! [`Isa::run`] calls the one that fits. Everything in between must be inlined, or it would be compiled without
//! the instructions.

/// Sixteen values: one cache line, one register of AVX-512, and the unit of every layout here.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub [f32; 16]);

impl Lanes {
    pub const WIDTH: usize = 16;
}

/// Arithmetic on sixteen values. Having a value of such a type means that the processor has its instructions.
pub(super) trait Simd: Copy {
    type V: Copy;
    /// The registers hold twelve rows by two blocks of columns of a matrix product; else six by one.
    const MANY_REGISTERS: bool;
    fn splat(self, x: f32) -> Self::V;
    fn load(self, from: &Lanes) -> Self::V;
    fn store(self, to: &mut Lanes, x: Self::V);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; b where one is not a number.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; b where one is not a number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// a·b + c.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// 1 where x is positive, else 0.
    fn positive(self, x: Self::V) -> Self::V;
    /// 1/x for normal x, to about a unit in the last place.
    fn reciprocal(self, x: Self::V) -> Self::V;
    /// 2ᵏ, where x = k + 1.5·2²³.
    fn power_of_two(self, x: Self::V) -> Self::V;
}

/// The sum of sixteen values, one after the other.
#[inline(always)]
pub(super) fn total<S: Simd>(simd: S, x: S::V) -> f32 {
    let mut parts = Lanes::default();
    simd.store(&mut parts, x);
    let mut total = 0.0;
    for x in parts.0 {
        total += x;
    }
    total
}

/// Work that is compiled for each instruction set.
pub(super) trait Kernel {
    /// Must be `#[inline(always)]`, with all that it calls.
    fn run<S: Simd>(self, simd: S);
}

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Isa(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Isa {
    /// All that this processor has, the fastest last.
    pub fn all() -> Vec<Isa> {
        let mut all = vec![Isa(Set::Plain)];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            all.push(Isa(Set::Avx2));
            if std::arch::is_x86_feature_detected!("avx512f") {
                all.push(Isa(Set::Avx512));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            all.push(Isa(Set::Neon));
        }
        all
    }

    /// The fastest.
    pub fn best() -> Isa {
        Isa::all().pop().unwrap_or(Isa(Set::Plain))
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Plain => "plain",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "AVX-512",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "NEON",
        }
    }

    pub fn run(self, kernel: impl Kernel) {
        match self.0 {
            Set::Plain => kernel.run(Plain),
            // SAFETY: such a value is only made by `all`, where the processor was asked for these instructions.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2::run(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { avx512::run(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Set::Neon => unsafe { neon::run(kernel) },
        }
    }
}

/// Without special instructions; the compiler uses those that all processors of a kind have.
#[derive(Clone, Copy)]
struct Plain;

/// A method of [`Plain`], lane by lane.
macro_rules! lane_by_lane {
    ($name:ident($($x:ident),+) = $value:expr) => {
        #[inline(always)]
        fn $name(self, $($x: [f32; 16]),+) -> [f32; 16] {
            let mut lanes = [0.0; 16];
            for i in 0..16 {
                $(let $x = $x[i];)+
                lanes[i] = $value;
            }
            lanes
        }
    };
}

impl Simd for Plain {
    type V = [f32; 16];
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 16] {
        [x; 16]
    }

    #[inline(always)]
    fn load(self, from: &Lanes) -> [f32; 16] {
        from.0
    }

    #[inline(always)]
    fn store(self, to: &mut Lanes, x: [f32; 16]) {
        to.0 = x;
    }

    lane_by_lane!(add(a, b) = a + b);
    lane_by_lane!(sub(a, b) = a - b);
    lane_by_lane!(mul(a, b) = a * b);
    lane_by_lane!(min(a, b) = if a < b { a } else { b });
    lane_by_lane!(max(a, b) = if a > b { a } else { b });
    lane_by_lane!(fma(a, b, c) = a * b + c);
    lane_by_lane!(positive(x) = f32::from(u8::from(x > 0.0)));
    lane_by_lane!(reciprocal(x) = 1.0 / x);
    lane_by_lane!(power_of_two(x) = f32::from_bits((x.to_bits() << 23).wrapping_add(127 << 23)));
}

/// Implements [`Simd`] on `$parts` registers for sixteen values, by the functions of the module around it.
macro_rules! implement {
    ($features:literal, $register:ty, $parts:literal, $many:literal, $($name:ident($first:ident $(, $x:ident)*)),+) => {
        /// The proof that the processor has the instructions.
        #[derive(Clone, Copy)]
        pub struct Instructions(());

        /// # Safety
        /// The processor must have the instructions.
        #[target_feature(enable = $features)]
        pub unsafe fn run(kernel: impl Kernel) {
            kernel.run(Instructions(()));
        }

        impl Simd for Instructions {
            type V = [$register; $parts];
            const MANY_REGISTERS: bool = $many;

            #[inline(always)]
            fn splat(self, x: f32) -> Self::V {
                // SAFETY: whoever has `self` has the instructions.
                [unsafe { splat(x) }; $parts]
            }

            #[inline(always)]
            fn load(self, from: &Lanes) -> Self::V {
                let mut parts = self.splat(0.0);
                for (part, values) in parts.iter_mut().zip(from.0.as_chunks::<{ 16 / $parts }>().0) {
                    // SAFETY: as in `splat`; a register of values is there, aligned as a cache line.
                    *part = unsafe { load(values.as_ptr()) };
                }
                parts
            }

            #[inline(always)]
            fn store(self, to: &mut Lanes, x: Self::V) {
                for (part, values) in x.into_iter().zip(to.0.as_chunks_mut::<{ 16 / $parts }>().0) {
                    // SAFETY: as in `load`.
                    unsafe { store(values.as_mut_ptr(), part) };
                }
            }

            $(#[inline(always)]
            fn $name(self, $first: Self::V $(, $x: Self::V)*) -> Self::V {
                let mut parts = $first;
                for i in 0..$parts {
                    // SAFETY: as in `splat`.
                    parts[i] = unsafe { $name($first[i] $(, $x[i])*) };
                }
                parts
            })+
        }
    };
}

macro_rules! instructions {
    ($features:literal, $register:ty, $parts:literal, $many:literal) => {
        implement!(
            $features,
            $register,
            $parts,
            $many,
            add(a, b),
            sub(a, b),
            mul(a, b),
            min(a, b),
            max(a, b),
            fma(a, b, c),
            positive(x),
            reciprocal(x),
            power_of_two(x)
        );
    };
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{Kernel, Lanes, Simd};
    use std::arch::x86_64::*;
    use std::arch::x86_64::{
        _mm512_add_ps as add, _mm512_fmadd_ps as fma, _mm512_load_ps as load, _mm512_max_ps as max,
        _mm512_min_ps as min, _mm512_mul_ps as mul, _mm512_set1_ps as splat, _mm512_store_ps as store,
        _mm512_sub_ps as sub,
    };

    #[inline(always)]
    unsafe fn positive(x: __m512) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, splat(0.0)), splat(1.0)) }
    }

    /// One step of Newton's on fourteen bits.
    #[inline(always)]
    unsafe fn reciprocal(x: __m512) -> __m512 {
        // SAFETY: the caller's.
        unsafe {
            let guess = _mm512_rcp14_ps(x);
            fma(_mm512_fnmadd_ps(x, guess, splat(1.0)), guess, guess)
        }
    }

    #[inline(always)]
    unsafe fn power_of_two(x: __m512) -> __m512 {
        // SAFETY: the caller's.
        unsafe {
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(x));
            _mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(127 << 23)))
        }
    }

    instructions!("avx512f", __m512, 1, true);
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Kernel, Lanes, Simd};
    use std::arch::x86_64::*;
    use std::arch::x86_64::{
        _mm256_add_ps as add, _mm256_fmadd_ps as fma, _mm256_load_ps as load, _mm256_max_ps as max,
        _mm256_min_ps as min, _mm256_mul_ps as mul, _mm256_set1_ps as splat, _mm256_store_ps as store,
        _mm256_sub_ps as sub,
    };

    #[inline(always)]
    unsafe fn positive(x: __m256) -> __m256 {
        // SAFETY: the caller's.
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(x, splat(0.0)), splat(1.0)) }
    }

    #[inline(always)]
    unsafe fn reciprocal(x: __m256) -> __m256 {
        // SAFETY: the caller's.
        unsafe { _mm256_div_ps(splat(1.0), x) }
    }

    #[inline(always)]
    unsafe fn power_of_two(x: __m256) -> __m256 {
        // SAFETY: the caller's.
        unsafe {
            let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(x));
            _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(127 << 23)))
        }
    }

    instructions!("avx2,fma", __m256, 2, false);
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::{Kernel, Lanes, Simd};
    use std::arch::aarch64::*;
    use std::arch::aarch64::{
        vaddq_f32 as add, vdupq_n_f32 as splat, vld1q_f32 as load, vmulq_f32 as mul, vst1q_f32 as store,
        vsubq_f32 as sub,
    };

    #[inline(always)]
    unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's.
        unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
    }

    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's.
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }

    #[inline(always)]
    unsafe fn positive(x: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's.
        unsafe { vbslq_f32(vcgtq_f32(x, splat(0.0)), splat(1.0), splat(0.0)) }
    }

    #[inline(always)]
    unsafe fn reciprocal(x: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's.
        unsafe { vdivq_f32(splat(1.0), x) }
    }

    #[inline(always)]
    unsafe fn power_of_two(x: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's.
        unsafe {
            let exponent = vshlq_n_s32::<23>(vreinterpretq_s32_f32(x));
            vreinterpretq_f32_s32(vaddq_s32(exponent, vdupq_n_s32(127 << 23)))
        }
    }

    instructions!("neon", float32x4_t, 4, false);
}
