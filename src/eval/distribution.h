// Next-token distributions: how likely, how far apart. Natural logarithms (nats), sums in double.
#pragma once

#include <span>
#include <vector>

#include "tq/text.h"

namespace tq::eval {

// log(sum(exp(logits))).
double log_sum_exp(std::span<const float> logits);

// -log p(token).
double nll(std::span<const float> logits, Token token);

// KL(p || q) = sum p (log p - log q), p and q given by logits; NaN where a logit is.
double kl_divergence(std::span<const float> p, std::span<const float> q);

struct Summary {
  double mean = 0.0;
  double standard_error = 0.0;  // of the mean: sample deviation / sqrt(n)
  double p99 = 0.0;             // linear between ranks, as numpy's default
  double max = 0.0;
};

Summary summarize(std::vector<double> values);

double median(std::vector<double> values);  // of one at least

}  // namespace tq::eval
