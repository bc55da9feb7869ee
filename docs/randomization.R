# Rebuilds the sequence of a stratum, independently of the program.
#
# Needs base R and the package digest. See randomization-spec.md, whose section
# numbers stand in the comments.
#
#     Rscript randomization.R list       SEED RATIO DESIGN TRIAL STRATUM N
#     Rscript randomization.R envelopes  SEED RATIO DESIGN TRIAL STRATUM N
#     Rscript randomization.R minimize   SEED RATIO DESIGN TRIAL PARTICIPANT ...
#     Rscript randomization.R commitment TRIAL RATIO DESIGN SEED SALT
#     Rscript randomization.R contribute SEED ENTROPY
#     Rscript randomization.R reduce     WORD N [WORD N ...]
#     Rscript randomization.R verify     FOLDER RECORD
#     Rscript randomization.R verify     FOLDER COMMITMENT ENTROPY
#     Rscript randomization.R batch      < FILE
#
# SEED, SALT, ENTROPY, WORD and COMMITMENT are hexadecimal. RATIO is written 1:1.
# DESIGN is
#
#     4x1,6x1,8x1                    permuted blocks: each size x its weight
#     complete
#     big-stick:TOLERANCE
#     maximal:TOLERANCE:LENGTH
#     efron:FAVORED:OF
#     urn:ALPHA:BETA
#     minimization:range:FAVORED:OF:3x1,2x2
#                                    or variance; each factor's levels x its weight
#     encoded:HEX                    any design, a list too; RATIO is then -
#
# list prints the arms of the slots 0 to N-1, where 0 is the first arm of the
# ratio; envelopes those of the backup envelopes. minimize goes through the
# PARTICIPANTs in order: 7:0,2,1 draws the arm of slot 7 for the levels 0, 2 and
# 1, prints and counts it; 0,2,1=1 counts one who got arm 1 otherwise. reduce
# prints what a random word gives below N, or "reject".
#
# verify checks what was published of an unsealed trial: design.txt and
# allocations.csv in FOLDER. RECORD is the file of the sealing record, as text, that
# was kept on the first day, after the second party contributed; or give what is
# printed on it, with "none" for ENTROPY if there was no second party. It says
# that all is well, or what isn't and where, and then exits with 1. With less
# than that, somebody could have chosen the contribution to fit the arms: it checks
# the rest, says NOT CHECKED and what, and exits with 2.
#
# batch answers each line of standard input, which holds a command and its words
# with tabs in between.
#
# From another script: source() this file and call list_arms() or verify().

# Section 1: numbers, fields, hashes. All byte strings are raw vectors.

# R has no integers of 64 bits. All numbers of the specification are below 2^53,
# which a double holds exactly.
number <- function(n) as.raw(n %/% 256^(7:0) %% 256)

pack <- function(...) {
  do.call(c, lapply(list(...), function(field) c(number(length(field)), field)))
}

sha256 <- function(message) digest::digest(message, algo = "sha256", serialize = FALSE, raw = TRUE)

# mac is HMAC-SHA-256 for keys of at most 64 bytes; digest::hmac is slower.
mac <- function(key, message) {
  key <- c(key, raw(64 - length(key)))
  sha256(c(xor(key, as.raw(0x5c)), sha256(c(xor(key, as.raw(0x36)), message))))
}

derive <- function(seed, info) mac(mac(raw(32), seed), c(info, as.raw(1)))

tag <- function(name) charToRaw(paste0("lodd/randomization/v1/", name))

# Section 2: the design, a list of name, ratio and numbers. The numbers of blocks
# are the sizes and their weights in turn, and so are those of minimization,
# after the measure and the chance. A list has its tolerance as the number, and
# strata: the arms of each, in names and arms.

encode <- function(design) {
  ratio <- c(length(design$ratio), design$ratio)
  numbers <- switch(design$name,
    "blocks" = c(ratio, length(design$numbers) / 2, design$numbers),
    "complete" = ratio,
    "urn" = c(length(design$ratio), design$numbers),
    "minimization" = c(ratio, design$numbers[1:3], (length(design$numbers) - 3) / 2, design$numbers[-(1:3)]),
    "list" = c(ratio, design$numbers, length(design$arms)),
    design$numbers)
  strata <- Map(function(name, arms) pack(charToRaw(name), as.raw(arms)), design$names, design$arms)
  do.call(c, c(list(pack(tag(design$name))), lapply(numbers, number), unname(strata)))
}

decode <- function(bytes) {
  at <- 0
  take <- function(n) {
    if (at + n > length(bytes)) stop("the encoded design is cut short")
    at <<- at + n
    bytes[seq_len(n) + at - n]
  }
  one <- function() sum(as.numeric(take(8)) * 256^(7:0))
  some <- function(n) vapply(seq_len(n), function(i) one(), 0)
  name <- sub(rawToChar(tag("")), "", rawToChar(take(one())), fixed = TRUE)
  ratio <- if (name == "urn") rep(1, one())
    else if (name %in% c("blocks", "complete", "minimization", "list")) some(one())
    else c(1, 1)
  design <- list(name = name, ratio = ratio)
  design$numbers <- switch(name,
    "blocks" = some(2 * one()),
    "minimization" = { chance <- some(3); c(chance, some(2 * one())) },
    "list" = one(),
    some((length(bytes) - at) / 8))
  if (name == "list") {
    n <- one()
    design$names <- character(n)
    design$arms <- vector("list", n)
    for (i in seq_len(n)) {
      design$names[i] <- rawToChar(take(one()))
      design$arms[[i]] <- as.numeric(take(one()))
    }
  }
  if (!identical(encode(design), bytes)) stop("the encoded design isn't one of version 1")
  design
}

# Section 3: seed and commitment.

contribute <- function(seed, entropy) derive(seed, pack(tag("contribution"), entropy))

commitment <- function(trial, encoded, seed, salt) {
  sha256(pack(tag("commitment"), charToRaw(trial), encoded, seed, salt))
}

# Section 4: random words and numbers.

stream_key <- function(seed, trial, stratum, purpose) {
  derive(seed, pack(tag("stream"), charToRaw(trial), charToRaw(stratum), charToRaw(purpose)))
}

# words returns a function that gives the next 8 random bytes at each call, from
# the outputs counter, counter + stride, and so on.
words <- function(key, counter = 0, stride = 1) {
  unread <- raw(0)
  function() {
    if (length(unread) == 0) {
      unread <<- mac(key, number(counter))
      counter <<- counter + stride
    }
    word <- unread[1:8]
    unread <<- unread[-(1:8)]
    word
  }
}

# modulo returns the remainder of a big-endian number of any length. With n
# below 2^44 no step exceeds 2^52, which a double holds exactly.
modulo <- function(bytes, n) {
  x <- 0
  for (byte in bytes) x <- (x * 256 + byte) %% n
  x
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

# A sequence is a function that returns the first n arms, or as many as a list
# has.

drawn <- function(seed, design, trial, stratum, prefix = "") {
  draw <- list("blocks" = blocks, "complete" = complete, "big-stick" = big_stick,
               "maximal" = maximal, "efron" = efron, "urn" = urn)[[design$name]]
  key <- stream_key(seed, trial, stratum, paste0(prefix, design$name))
  more <- draw(words(key), design$ratio, design$numbers)
  arms <- numeric(0)
  function(n) {
    while (length(arms) < n) arms <<- c(arms, more())
    head(arms, n)
  }
}

sequence_of <- function(seed, design, trial, stratum) {
  if (design$name != "list") return(drawn(seed, design, trial, stratum))
  arms <- design$arms[[match(stratum, design$names)]]
  function(n) head(arms, n)
}

list_arms <- function(seed, design, trial, stratum, n) sequence_of(seed, design, trial, stratum)(n)

# Section 7: minimization.

minimizer <- function(seed, design, trial) {
  key <- stream_key(seed, trial, "", "minimization")
  ratio <- design$ratio
  measure <- design$numbers[1]
  favored <- design$numbers[2]
  of <- design$numbers[3]
  factors <- matrix(design$numbers[-(1:3)], nrow = 2)
  common <- Reduce(function(a, b) { n <- a; while (n %% b != 0) n <- n + a; n }, ratio)
  unit <- common / ratio
  counts <- lapply(factors[1, ], function(levels) matrix(0, levels, length(ratio)))

  # How much more unlike the arms would be with one participant more in arm.
  unlike <- function(x, arm) {
    d <- unit[arm]
    k <- length(x)
    if (measure == 2) return(d * (2 * (k * x[arm] - sum(x)) + (k - 1) * d))
    x[arm] <- x[arm] + d
    max(x) - min(x)
  }

  list(
    fits = function(levels) length(levels) == length(counts) && all(levels < factors[1, ]),
    next_arm = function(slot, levels) {
      random <- words(key, slot, 2^32)
      scores <- vapply(seq_along(ratio), function(arm) {
        sum(factors[2, ] * mapply(function(m, level) unlike(m[level + 1, ], arm), counts, levels))
      }, 0)
      best <- ifelse(scores == min(scores), ratio, 0)
      preferred <- share(best, below(random, sum(best)))
      chances <- (of - favored) * ratio
      chances[preferred + 1] <- chances[preferred + 1] + favored * sum(ratio) - of * min(ratio)
      share(chances, below(random, sum(chances)))
    },
    count = function(levels, arm) {
      for (i in seq_along(counts)) {
        at <- cbind(levels[i] + 1, arm + 1)
        counts[[i]][at] <<- counts[[i]][at] + unit[arm + 1]
      }
    })
}

# Section 8: backup envelopes.

envelopes <- function(seed, design, trial, stratum) {
  if (design$name %in% c("minimization", "list")) design <- list(name = "complete", ratio = design$ratio)
  drawn(seed, design, trial, stratum, "contingency/")
}

# Section 9: checking a trial.

complain <- function(class, ...) {
  stop(structure(class = c(class, "error", "condition"), list(message = paste0(...), call = NULL)))
}

# Something isn't as it should be.
mismatch <- function(...) complain("mismatch", ...)

# All that was looked at is well, but something must still be compared.
unchecked <- function(...) complain("unchecked", ...)

whole <- function(words) {
  if (any(!grepl("^(0|[1-9][0-9]*)$", words))) mismatch("allocations.csv: \"", words[1], "\", want a whole number")
  as.numeric(words)
}

# replay returns a function that checks the next allocation, a list of words.
replay <- function(seed, design, trial) {
  minimized <- if (design$name == "minimization") minimizer(seed, design, trial)
  strata <- new.env()
  stratum_of <- function(name) {
    key <- paste0("stratum ", name)
    if (is.null(strata[[key]])) {
      strata[[key]] <- list(sequence = if (is.null(minimized)) sequence_of(seed, design, trial, name),
                            envelopes = envelopes(seed, design, trial, name))
    }
    strata[[key]]
  }
  next_slots <- new.env()
  opened <- new.env()
  people <- new.env()

  function(row) {
    slot <- whole(row$slot)
    arm <- if (row$arm == "") -1 else whole(row$arm)
    levels <- whole(strsplit(row$levels, " ", fixed = TRUE)[[1]])
    need <- function(ok, part, got, want) {
      if (!ok) {
        mismatch("allocation ", row$order, " (", row$kind, ", stratum \"", row$stratum, "\", slot ",
                 number_text(slot), "): ", part, " ", got, ", want ", want)
      }
    }
    take <- function() {
      need(design$name != "list" || row$stratum %in% design$names, "stratum", row$stratum, "a stratum of the list")
      key <- if (is.null(minimized)) paste0("stratum ", row$stratum) else "trial"
      want <- if (is.null(next_slots[[key]])) 0 else next_slots[[key]]
      need(slot == want, "slot", number_text(slot), number_text(want))
      next_slots[[key]] <- want + 1
    }
    at <- function(sequence, slots) if (slot < slots) sequence(slot + 1)[slot + 1] else NA

    need(row$kind %in% c("drawn", "contingency", "lost"), "kind", row$kind, "drawn, contingency or lost")
    if (row$kind == "lost") {
      need(row$arm == "" && row$participant == "" && row$levels == "", "kind",
           "lost with a participant, an arm or levels", "lost with none of them")
      take()
      return()
    }
    if (row$kind == "drawn") {
      take()
    } else {
      key <- paste(slot, row$stratum)
      need(is.null(opened[[key]]), "slot", number_text(slot), "an envelope that wasn't opened before")
      opened[[key]] <- TRUE
    }
    if (is.null(minimized)) {
      need(length(levels) == 0, "levels", row$levels, "none")
    } else {
      need(minimized$fits(levels), "levels", row$levels, "one level of each factor")
    }
    want <- if (row$kind == "contingency") at(stratum_of(row$stratum)$envelopes, 1000)
      else if (is.null(minimized)) at(stratum_of(row$stratum)$sequence, 2^24)
      else if (slot < 2^20) minimized$next_arm(slot, levels)
      else NA
    need(!is.na(want), "slot", number_text(slot), "a slot that exists")
    need(arm == want, "arm", number_text(arm), number_text(want))
    key <- paste0("participant ", row$participant)
    need(is.null(people[[key]]), "participant", row$participant, "one who was not named before")
    if (!row$participant %in% c("", "erased")) people[[key]] <- TRUE
    if (!is.null(minimized)) minimized$count(levels, arm)
  }
}

number_text <- function(n) format(n, scientific = FALSE, trim = TRUE)

# matches reports which texts are of a pattern from start to end.
matches <- function(pattern, texts) grepl(paste0("^(", pattern, ")$"), texts, useBytes = TRUE)

# read_design returns the facts of design.txt.
read_design <- function(folder) {
  names <- c("format", "trial", "design", "seed", "salt", "entropy", "commitment")
  lines <- readLines(file.path(folder, "design.txt"), warn = FALSE)
  if (length(lines) != length(names) || !all(startsWith(lines, paste0(names, ":")))) {
    mismatch("design.txt: want the lines ", paste(names, collapse = ", "), ", and no other")
  }
  facts <- sub("^[a-z]+: ?", "", lines)
  names(facts) <- names
  if (facts[["format"]] != "lodd/randomization/v1/unsealed") mismatch("design.txt isn't of version 1")
  for (name in c("design", "seed", "salt", "commitment", "entropy")) {
    if (!matches("([0-9A-Fa-f]{2})*", facts[[name]]) && !(name == "entropy" && facts[[name]] == "none")) {
      mismatch("design.txt: ", name, ": want hexadecimal")
    }
  }
  facts
}

# read_record returns the commitment and the contribution on a sealing record.
read_record <- function(path) {
  lines <- readLines(path, warn = FALSE)
  line_of <- function(name, pattern) {
    at <- which(startsWith(lines, paste0(name, ":")))
    if (length(at) != 1 || !matches(paste0(name, ": +", pattern), lines[at])) {
      mismatch(path, ": want the text of a sealing record, with one line ", name)
    }
    at
  }
  digits_of <- function(line) gsub(" ", "", line, fixed = TRUE)
  commitment <- digits_of(sub("^Commitment:", "", lines[line_of("Commitment", "[0-9A-Fa-f]{64}")]))
  contributed <- ", and these [0-9]+ bytes of .*:"
  at <- line_of("Entropy", paste0("32 bytes of the server's(; the trial statistician's are awaited|",
                                  "; no second party contributed entropy|", contributed, ")"))
  if (grepl("; the trial statistician's are awaited$", lines[at], useBytes = TRUE)) return(c(commitment, "awaited"))
  if (grepl("; no second party contributed entropy$", lines[at], useBytes = TRUE)) return(c(commitment, "none"))
  size <- sub("^Entropy: +32 bytes of the server's, and these ([0-9]+) bytes of .*$", "\\1", lines[at], useBytes = TRUE)
  below <- lines[-seq_len(at)]
  digits <- paste(digits_of(below[cumsum(!matches(" +[0-9A-Fa-f]+ *", below)) == 0]), collapse = "")
  if (nchar(digits) != 2 * as.numeric(size)) {
    mismatch(path, ": ", nchar(digits), " digits of entropy, want two for each of ", size, " bytes")
  }
  c(commitment, digits)
}

# hold compares with what was sealed: RECORD, or COMMITMENT and ENTROPY. It
# returns what that leaves open.
hold <- function(facts, got, sealed) {
  if (length(sealed) == 1 && !matches("[0-9A-Fa-f]{64}", sealed)) sealed <- read_record(sealed)
  for (want in tolower(c(head(sealed, 1), facts[["commitment"]]))) {
    if (want != got) {
      mismatch("commitment ", got, ", want ", want, ": the trial, the design, the seed or the salt isn't what was committed to")
    }
  }
  if (length(sealed) == 0) return("the commitment and the contribution to the seed are the folder's own")
  if (length(sealed) == 1) return("the contribution to the seed is the folder's own")
  entropy <- tolower(facts[["entropy"]])
  want <- tolower(sealed[2])
  if (want == "awaited" && entropy != "none") {
    return("the contribution to the seed is the folder's own, because the record is older")
  }
  if (entropy != want) {
    mismatch("entropy ", entropy, ", want ", want, ": the contribution to the seed isn't that of the sealing record")
  }
  NULL
}

# replay_file checks allocations.csv. It returns how many allocations and lost
# slots there are.
replay_file <- function(path, check) {
  columns <- c("order", "kind", "participant", "stratum", "slot", "arm", "levels")
  rows <- tryCatch(utils::read.csv(path, colClasses = "character", na.strings = character(0), check.names = FALSE,
                                   row.names = NULL, fill = FALSE),
                   error = function(e) NULL)
  if (!identical(names(rows), columns)) mismatch("allocations.csv: want the columns ", paste(columns, collapse = ","))
  for (i in seq_len(nrow(rows))) {
    row <- lapply(rows, `[[`, i)
    if (row$order != number_text(i - 1)) mismatch("allocations.csv: order ", row$order, ", want ", number_text(i - 1))
    check(row)
  }
  lost <- sum(rows$kind == "lost")
  number_text(c(nrow(rows) - lost, lost))
}

verify <- function(folder, ...) {
  facts <- read_design(folder)
  trial <- facts[["trial"]]
  encoded <- from_hex(facts[["design"]])
  drawn <- from_hex(facts[["seed"]])
  open <- hold(facts, to_hex(commitment(trial, encoded, drawn, from_hex(facts[["salt"]]))), c(...))
  seed <- if (facts[["entropy"]] == "none") drawn else contribute(drawn, from_hex(facts[["entropy"]]))
  counts <- replay_file(file.path(folder, "allocations.csv"), replay(seed, decode(encoded), trial))
  said <- paste0(counts[1], " allocations match, ", counts[2], " lost")
  if (counts[2] != "0") {
    said <- paste0(said, "; compare ", counts[2], " with the reconciliations in the log (lodd verify --archive)")
  }
  if (!is.null(open)) unchecked("NOT CHECKED against a sealing record: ", open, "; with that, ", said)
  paste0("the sealing record and ", said)
}

# The command line.

parse_design <- function(ratio, text) {
  parts <- strsplit(text, ":", fixed = TRUE)[[1]]
  if (parts[1] == "encoded") return(decode(from_hex(parts[2])))
  ratio <- as.numeric(strsplit(ratio, ":", fixed = TRUE)[[1]])
  if (grepl("^[0-9]", text)) {
    return(list(name = "blocks", ratio = ratio, numbers = as.numeric(strsplit(text, "[x,]")[[1]])))
  }
  if (parts[1] == "minimization") parts[2] <- match(parts[2], c("range", "variance"))
  list(name = parts[1], ratio = ratio, numbers = as.numeric(unlist(strsplit(parts[-1], "[x,]"))))
}

minimize <- function(seed, ratio, design, trial, ...) {
  m <- minimizer(from_hex(seed), parse_design(ratio, design), trial)
  arms <- numeric(0)
  for (participant in c(...)) {
    parts <- strsplit(participant, "[:=]")[[1]]
    if (grepl("=", participant, fixed = TRUE)) {
      levels <- as.numeric(strsplit(parts[1], ",")[[1]])
      arm <- as.numeric(parts[2])
    } else {
      levels <- as.numeric(strsplit(parts[2], ",")[[1]])
      arm <- m$next_arm(as.numeric(parts[1]), levels)
      arms <- c(arms, arm)
    }
    m$count(levels, arm)
  }
  paste(arms, collapse = " ")
}

from_hex <- function(text) {
  digits <- as.numeric(charToRaw(tolower(text)))
  digits <- ifelse(digits > 57, digits - 87, digits - 48)
  odd <- seq(1, by = 2, length.out = length(digits) / 2)
  as.raw(digits[odd] * 16 + digits[odd + 1])
}

to_hex <- function(bytes) paste(bytes, collapse = "")

answer <- function(command = "", ...) {
  args <- c(...)
  form <- if (command %in% c("reduce", "minimize")) command else paste(command, length(args))
  switch(form,
    "list 6" = , "envelopes 6" = {
      start <- if (command == "list") sequence_of else envelopes
      arms <- start(from_hex(args[1]), parse_design(args[2], args[3]), args[4], args[5])
      paste(arms(as.numeric(args[6])), collapse = " ")
    },
    "minimize" = minimize(...),
    "commitment 5" = to_hex(commitment(args[1], encode(parse_design(args[2], args[3])),
                                       from_hex(args[4]), from_hex(args[5]))),
    "contribute 2" = to_hex(contribute(from_hex(args[1]), from_hex(args[2]))),
    "reduce" = {
      pairs <- matrix(args, nrow = 2)
      answers <- apply(pairs, 2, function(p) reduce(from_hex(p[1]), as.numeric(p[2])))
      paste(ifelse(is.na(answers), "reject", answers), collapse = " ")
    },
    "verify 1" = , "verify 2" = , "verify 3" = verify(...),
    stop("usage: see the head of randomization.R"))
}

main <- function(...) {
  args <- c(...)
  if (identical(args, "batch")) {
    input <- file("stdin")
    lines <- readLines(input, warn = FALSE)
    close(input)
    # A word at the end keeps strsplit from dropping an empty one before it.
    for (line in strsplit(paste0(lines, "\tend"), "\t", fixed = TRUE)) {
      text <- tryCatch(do.call(answer, as.list(head(line, -1))),
                       mismatch = conditionMessage, unchecked = conditionMessage)
      cat(text, "\n", sep = "")
    }
  } else {
    status <- 0
    text <- tryCatch(answer(...),
                     mismatch = function(m) { status <<- 1; conditionMessage(m) },
                     unchecked = function(m) { status <<- 2; conditionMessage(m) })
    cat(text, "\n", sep = "", file = if (status > 0) stderr() else stdout())
    if (status > 0) quit(status = status)
  }
}

if (sys.nframe() == 0) do.call(main, as.list(commandArgs(trailingOnly = TRUE)))
