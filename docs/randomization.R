# Rebuilds the sequence of a stratum, independently of the program.
#
# Needs base R and the package digest. See randomization-spec.md, whose section
# numbers stand in the comments.
#
#     Rscript randomization.R list       SEED RATIO DESIGN TRIAL STRATUM N
#     Rscript randomization.R commitment TRIAL RATIO DESIGN SEED SALT
#     Rscript randomization.R contribute SEED ENTROPY
#     Rscript randomization.R reduce     WORD N [WORD N ...]
#     Rscript randomization.R lists      < FILE
#
# SEED, SALT, ENTROPY and WORD are hexadecimal. RATIO is written 1:1. DESIGN is
#
#     4x1,6x1,8x1              permuted blocks: each size x its weight
#     complete
#     big-stick:TOLERANCE
#     maximal:TOLERANCE:LENGTH
#     efron:FAVORED:OF
#     urn:ALPHA:BETA
#
# list prints the arms of the slots 0 to N-1, where 0 is the first arm of the
# ratio. lists answers each line of standard input, which holds the words of
# list, as list would. reduce prints what a random word gives below N, or
# "reject".
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

# Section 2: the design, a list of name, ratio and numbers. The numbers of blocks
# are the sizes and their weights in turn.

encode <- function(design) {
  ratio <- c(length(design$ratio), design$ratio)
  numbers <- switch(design$name,
    "blocks" = c(ratio, length(design$numbers) / 2, design$numbers),
    "complete" = ratio,
    "urn" = c(length(design$ratio), design$numbers),
    design$numbers)
  c(pack(tag(design$name)), do.call(c, lapply(numbers, number)))
}

# Section 3: seed and commitment.

contribute <- function(seed, entropy) derive(seed, pack(tag("contribution"), entropy))

commitment <- function(trial, design, seed, salt) {
  message <- pack(tag("commitment"), charToRaw(trial), encode(design), seed, salt)
  digest::digest(message, algo = "sha256", serialize = FALSE, raw = TRUE)
}

# Section 4: random words and numbers.

# words returns a function that gives the next 8 random bytes at each call.
words <- function(seed, trial, stratum, purpose) {
  key <- derive(seed, pack(tag("stream"), charToRaw(trial), charToRaw(stratum), charToRaw(purpose)))
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
# below 2^44 no step exceeds 2^52, which a double holds exactly.
modulo <- function(bytes, n) {
  Reduce(function(x, byte) (x * 256 + byte) %% n, bytes, 0)
}

# reduce returns word mod n, or NA if the word is one of the first 2^64 mod n.
# These are below 2^44: their upper two bytes are zero, and the rest is exact.
reduce <- function(word, n) {
  stopifnot(n >= 1, n < 2^44)
  bytes <- as.numeric(word)
  limit <- modulo(c(1, rep(0, 8)), n)
  low <- sum(bytes[3:8] * 256^(5:0))
  if (all(bytes[1:2] == 0) && low < limit) NA else modulo(bytes, n)
}

below <- function(random, n) {
  repeat {
    x <- reduce(random(), n)
    if (!is.na(x)) return(x)
  }
}

# share returns the index, from 0, in whose share of the parts x falls.
share <- function(parts, x) which(x < cumsum(parts))[1] - 1

# Numbers of any size are vectors of bytes, the lowest first, without zeros at
# the end.

trim <- function(a) a[seq_len(max(c(0, which(a != 0))))]

carry <- function(a) {
  a <- c(a, 0)
  while (any(a < 0 | a > 255)) {
    over <- a %/% 256
    a <- a - 256 * over + c(0, over[-length(over)])
  }
  trim(a)
}

padded <- function(a, n) c(a, rep(0, n - length(a)))

add <- function(a, b) {
  n <- max(length(a), length(b))
  carry(padded(a, n) + padded(b, n))
}

# subtract takes b from a, which is at least b.
subtract <- function(a, b) carry(a - padded(b, length(a)))

less <- function(a, b) {
  if (length(a) != length(b)) return(length(a) < length(b))
  differ <- which(a != b)
  length(differ) > 0 && a[max(differ)] < b[max(differ)]
}

below_big <- function(random, n) {
  top <- n[length(n)]
  bits <- 8 * (length(n) - 1) + floor(log2(top)) + 1
  repeat {
    drawn <- do.call(c, lapply(seq_len(ceiling(bits / 64)), function(i) as.numeric(random())))
    x <- rev(drawn)[seq_along(n)]
    x[length(x)] <- x[length(x)] %% 2^(floor(log2(top)) + 1)
    x <- trim(x)
    if (less(x, n)) return(x)
  }
}

# Section 5: blocks. Each design has a function that returns one that draws the
# next arms, at least one, at each call.

blocks <- function(random, ratio, numbers) {
  pairs <- matrix(numbers, nrow = 2)
  once <- rep(seq_along(ratio) - 1, ratio)
  function() {
    size <- pairs[1, share(pairs[2, ], below(random, sum(pairs[2, ]))) + 1]
    arms <- rep(once, size / length(once))
    for (i in seq(size - 1, 1)) {
      j <- below(random, i + 1)
      arms[c(i, j) + 1] <- arms[c(j, i) + 1]
    }
    arms
  }
}

# Section 6: the other designs.

complete <- function(random, ratio, numbers) {
  function() share(ratio, below(random, sum(ratio)))
}

big_stick <- function(random, ratio, numbers) {
  ahead <- 0
  function() {
    arm <- if (ahead == numbers[1]) 1 else if (ahead == -numbers[1]) 0 else below(random, 2)
    ahead <<- ahead + 1 - 2 * arm
    arm
  }
}

maximal <- function(random, ratio, numbers) {
  tolerance <- numbers[1]
  # paths[[left + 1]][[ahead + 1]], for arms ahead or behind
  paths <- list(c(list(1), rep(list(numeric(0)), tolerance)))
  from <- function(left, ahead) {
    if (abs(ahead) > tolerance) numeric(0) else paths[[left + 1]][[abs(ahead) + 1]]
  }
  for (left in seq_len(numbers[2])) {
    paths[[left + 1]] <- lapply(0:tolerance, function(d) add(from(left - 1, d + 1), from(left - 1, d - 1)))
  }
  function() {
    rank <- below_big(random, from(numbers[2], 0))
    ahead <- 0
    arms <- numeric(0)
    for (left in seq(numbers[2] - 1, 0)) {
      zero <- from(left, ahead + 1)
      arm <- if (less(rank, zero)) 0 else 1
      if (arm == 1) rank <- subtract(rank, zero)
      ahead <- ahead + 1 - 2 * arm
      arms <- c(arms, arm)
    }
    arms
  }
}

efron <- function(random, ratio, numbers) {
  ahead <- 0
  function() {
    if (ahead == 0) {
      arm <- below(random, 2)
    } else {
      behind <- if (ahead > 0) 1 else 0
      arm <- if (below(random, numbers[2]) < numbers[1]) behind else 1 - behind
    }
    ahead <<- ahead + 1 - 2 * arm
    arm
  }
}

urn <- function(random, ratio, numbers) {
  balls <- rep(numbers[1], length(ratio))
  function() {
    within <- if (all(balls == 0)) rep(1, length(balls)) else balls
    arm <- share(within, below(random, sum(within)))
    balls[-(arm + 1)] <<- balls[-(arm + 1)] + numbers[2]
    arm
  }
}

list_arms <- function(seed, design, trial, stratum, n) {
  draw <- list("blocks" = blocks, "complete" = complete, "big-stick" = big_stick,
               "maximal" = maximal, "efron" = efron, "urn" = urn)[[design$name]]
  more <- draw(words(seed, trial, stratum, design$name), design$ratio, design$numbers)
  arms <- numeric(0)
  while (length(arms) < n) arms <- c(arms, more())
  head(arms, n)
}

parse_design <- function(ratio, text) {
  ratio <- as.numeric(strsplit(ratio, ":")[[1]])
  if (grepl("^[0-9]", text)) {
    return(list(name = "blocks", ratio = ratio, numbers = as.numeric(strsplit(text, "[x,]")[[1]])))
  }
  parts <- strsplit(text, ":")[[1]]
  list(name = parts[1], ratio = ratio, numbers = as.numeric(parts[-1]))
}

answer_list <- function(args) {
  paste(list_arms(from_hex(args[1]), parse_design(args[2], args[3]),
                  args[4], args[5], as.numeric(args[6])), collapse = " ")
}

from_hex <- function(text) {
  starts <- seq(1, by = 2, length.out = nchar(text) / 2)
  as.raw(vapply(starts, function(i) strtoi(substr(text, i, i + 1), 16), 0))
}

to_hex <- function(bytes) paste(bytes, collapse = "")

main <- function(command = "", ...) {
  args <- c(...)
  answer <- switch(if (command == "reduce") command else paste(command, length(args)),
    "list 6" = answer_list(args),
    "lists 0" = paste(vapply(strsplit(readLines(file("stdin")), " "), answer_list, ""), collapse = "\n"),
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
