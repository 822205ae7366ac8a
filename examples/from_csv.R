# Read the CSV tables of a report in R: draw differences between personas, and fit a regression to the counts.
# It needs only base R. Run it with the folder of the tables and the PDF file to write:
#
#   Rscript examples/from_csv.R report/tables personas.pdf

arguments <- commandArgs(trailingOnly = TRUE)
if (length(arguments) != 2) {
  stop("give the folder of the tables and the PDF file to write: Rscript from_csv.R report/tables personas.pdf")
}
folder <- arguments[1]

# Rates by several detectors are in one table. Names are read as text, even if they look like numbers or like NA.
read_table <- function(name) {
  table <- read.csv(file.path(folder, name), na.strings = "", stringsAsFactors = FALSE)
  table[table$rule == table$rule[1], ]
}

# Differences of each persona from neutral prompts, in percentage points, with 95% confidence intervals clustered by text.
contrasts <- read_table("contrasts_by_persona.csv")
contrasts <- contrasts[contrasts$baseline == "neutral" & !is.na(contrasts$ci_low), ]
contrasts <- contrasts[order(contrasts$model, contrasts$task, contrasts$estimate), ]
labels <- paste(contrasts$model, contrasts$task, contrasts$persona, sep = ", ")
rows <- seq_along(labels)

pdf(arguments[2], width = 8, height = 2 + 0.2 * length(rows))
par(mar = c(4, 16, 1, 1))
limits <- 100 * range(contrasts$ci_low, contrasts$ci_high, 0)
plot(100 * contrasts$estimate, rows, xlim = limits, yaxt = "n", ylab = "", pch = 19,
     xlab = "difference from neutral prompts (percentage points)")
segments(100 * contrasts$ci_low, rows, 100 * contrasts$ci_high, rows)
axis(2, at = rows, labels = labels, las = 1, cex.axis = 0.7)
abline(v = 0, lty = 2)
invisible(dev.off())

significant <- contrasts[!is.na(contrasts$p_adjusted) & contrasts$p_adjusted <= 0.05, ]
cat(nrow(contrasts), "differences drawn,", nrow(significant), "of them significant after correction\n")

# A regression on the counts of cells. Its standard errors treat responses as independent; those of regression.csv are
# clustered by text.
rates <- read_table("rates_by_persona.csv")
rates <- rates[rates$setting == "persona", ]
terms <- c("persona", "task", "model")
terms <- terms[sapply(terms, function(term) length(unique(rates[[term]])) > 1)]
formula <- reformulate(terms, response = "cbind(n_refused, n - n_refused)")
print(summary(glm(formula, family = binomial, data = rates)))
