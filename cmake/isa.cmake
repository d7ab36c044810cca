# The registry of per-ISA translation units. A file named X_avx2.cc holds the kernels of X for that ISA and is the
# only place its instructions may appear: everything else is compiled for the baseline CPU and reaches the kernels
# through the table that base/cpu.h selects at run time.
set(TQ_FLAGS_avx2 -mavx2 -mfma -mf16c)
set(TQ_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi -mavx2 -mfma -mf16c)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12's own AVX-512 header trips these warnings (GCC bug 105593).
  list(APPEND TQ_FLAGS_avx512 -Wno-maybe-uninitialized -Wno-uninitialized)
endif()
if("undefined" IN_LIST TQ_SANITIZERS)
  # Clang 14 takes minutes for these files with it. AddressSanitizer sees where their pointers lead, and integers are in
  # vectors, which it would not look at.
  list(APPEND TQ_FLAGS_avx2 -fno-sanitize=undefined)
  list(APPEND TQ_FLAGS_avx512 -fno-sanitize=undefined)
endif()
set(TQ_FLAGS_avxvnni ${TQ_FLAGS_avx2} -mavxvnni)
set(TQ_FLAGS_neon -march=armv8-a)
set(TQ_FLAGS_dotprod -march=armv8.2-a+dotprod)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(TQ_ISAS avx2 avxvnni avx512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(TQ_ISAS neon dotprod)
else()
  set(TQ_ISAS "")
endif()

# tq_isa_sources(target stem isa...): adds stem_<isa>.cc for each listed ISA this processor family has.
function(tq_isa_sources target stem)
  foreach(isa IN LISTS ARGN)
    if(isa IN_LIST TQ_ISAS)
      set(file ${CMAKE_CURRENT_SOURCE_DIR}/${stem}_${isa}.cc)
      target_sources(${target} PRIVATE ${file})
      set_source_files_properties(${file} TARGET_DIRECTORY ${target} PROPERTIES COMPILE_OPTIONS "${TQ_FLAGS_${isa}}")
    endif()
  endforeach()
endfunction()
