# Rebuilds the sequence of a stratum, independently of the program.
#
# Needs base R and the package digest. See randomization-spec.md, whose section
# numbers stand in the comments.
#
#     Rscript randomization.R list       SEED RATIO SIZES TRIAL STRATUM N
#     Rscript randomization.R commitment TRIAL RATIO SIZES SEED SALT
#     Rscript randomization.R contribute SEED ENTROPY
#     Rscript randomization.R reduce     WORD N [WORD N ...]
#
# SEED, SALT, ENTROPY and WORD are hexadecimal. RATIO is written 1:1, SIZES
# 4x1,6x1,8x1 (each size x its weight). list prints the arms of the slots 0 to
# N-1, where 0 is the first arm of the ratio. reduce prints what a random word
# gives below N, or "reject".
#
# From another script: source() this file and call list_arms().

# Section 1: numbers, fields, hashes. All byte strings are raw vectors.

# R has no integers of 64 bits. All numbers of the specification are below 2^32,
# which a double holds exactly, so that the upper four bytes are zero.
number <- function(n) {
  as.raw(c(0, 0, 0, 0, n %/% 2^24, n %/% 2^16 %% 256, n %/% 2^8 %% 256, n %% 256))
}

pack <- function(...) {
  do.call(c, lapply(list(...), function(field) c(number(length(field)), field)))
}

mac <- function(key, message) {
  digest::hmac(key, message, algo = "sha256", serialize = FALSE, raw = TRUE)
}

derive <- function(seed, info) mac(mac(raw(32), seed), c(info, as.raw(1)))

tag <- function(name) charToRaw(paste0("lodd/randomization/v1/", name))

# Section 2: the design, a list of ratio, size and weight.

encode <- function(design) {
  sizes <- as.vector(rbind(design$size, design$weight))
  numbers <- c(length(design$ratio), design$ratio, length(design$size), sizes)
  c(pack(tag("blocks")), do.call(c, lapply(numbers, number)))
}

# Section 3: seed and commitment.

contribute <- function(seed, entropy) derive(seed, pack(tag("contribution"), entropy))

commitment <- function(trial, design, seed, salt) {
  message <- pack(tag("commitment"), charToRaw(trial), encode(design), seed, salt)
  digest::digest(message, algo = "sha256", serialize = FALSE, raw = TRUE)
}

# Section 4: random words and numbers.

# words returns a function that gives the next 8 random bytes at each call.
words <- function(seed, trial, stratum) {
  key <- derive(seed, pack(tag("stream"), charToRaw(trial), charToRaw(stratum), charToRaw("blocks")))
  counter <- 0
  unread <- raw(0)
  function() {
    if (length(unread) == 0) {
      unread <<- mac(key, number(counter))
      counter <<- counter + 1
    }
    word <- unread[1:8]
    unread <<- unread[-(1:8)]
    word
  }
}

# modulo returns the remainder of a big-endian number of any length. With n
# below 2^16 no step exceeds 2^24.
modulo <- function(bytes, n) {
  Reduce(function(x, byte) (x * 256 + byte) %% n, bytes, 0)
}

# reduce returns word mod n, or NA if the word is one of the first 2^64 mod n.
# These are below 2^16: their upper six bytes are zero.
reduce <- function(word, n) {
  stopifnot(n >= 1, n < 2^16)
  bytes <- as.numeric(word)
  limit <- modulo(c(1, rep(0, 8)), n)
  if (all(bytes[1:6] == 0) && bytes[7] * 256 + bytes[8] < limit) NA else modulo(bytes, n)
}

below <- function(random, n) {
  repeat {
    x <- reduce(random(), n)
    if (!is.na(x)) return(x)
  }
}

# Section 5: blocks. Indexes are one higher than in the specification.

block <- function(random, design) {
  x <- below(random, sum(design$weight))
  size <- design$size[which(x < cumsum(design$weight))[1]]
  once <- rep(seq_along(design$ratio) - 1, design$ratio)
  arms <- rep(once, size / length(once))
  for (i in seq(size - 1, 1)) {
    j <- below(random, i + 1)
    arms[c(i, j) + 1] <- arms[c(j, i) + 1]
  }
  arms
}

list_arms <- function(seed, design, trial, stratum, n) {
  random <- words(seed, trial, stratum)
  arms <- numeric(0)
  while (length(arms) < n) arms <- c(arms, block(random, design))
  head(arms, n)
}

parse_design <- function(ratio, sizes) {
  sizes <- strsplit(strsplit(sizes, ",")[[1]], "x")
  list(ratio = as.numeric(strsplit(ratio, ":")[[1]]),
       size = as.numeric(sapply(sizes, `[`, 1)),
       weight = as.numeric(sapply(sizes, `[`, 2)))
}

from_hex <- function(text) {
  starts <- seq(1, by = 2, length.out = nchar(text) / 2)
  as.raw(vapply(starts, function(i) strtoi(substr(text, i, i + 1), 16), 0))
}

to_hex <- function(bytes) paste(bytes, collapse = "")

main <- function(command = "", ...) {
  args <- c(...)
  answer <- switch(if (command == "reduce") command else paste(command, length(args)),
    "list 6" = paste(list_arms(from_hex(args[1]), parse_design(args[2], args[3]),
                               args[4], args[5], as.numeric(args[6])), collapse = " "),
    "commitment 5" = to_hex(commitment(args[1], parse_design(args[2], args[3]),
                                       from_hex(args[4]), from_hex(args[5]))),
    "contribute 2" = to_hex(contribute(from_hex(args[1]), from_hex(args[2]))),
    "reduce" = {
      pairs <- matrix(args, nrow = 2)
      answers <- apply(pairs, 2, function(p) reduce(from_hex(p[1]), as.numeric(p[2])))
      paste(ifelse(is.na(answers), "reject", answers), collapse = " ")
    },
    stop("usage: see the head of randomization.R"))
  cat(answer, "\n", sep = "")
}

if (sys.nframe() == 0) do.call(main, as.list(commandArgs(trailingOnly = TRUE)))
