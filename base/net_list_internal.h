/* Every network kernel of net_indexed_internal.h, for rows that run bodies by index: included several
 * times with SC_NET and SC_NET_ROWS defined to what a row makes of them. No include guard.
 *
 * SC_NET(name, pointers): sc_body_net_<name>(row, column, arguments), one index each.
 * SC_NET_ROWS(name, pointers, peak): for every row
 *     m = max over columns of sc_peak_<name>(row, column, arguments), 0 unless `peak`,
 *     s = sum over columns of sc_term_<name>(row, column, m, arguments), in double,
 *     then sc_finish_<name>(row, column, m, s, arguments) for each column.
 * The arguments are a struct sc_net_<name>, whose first `pointers` fields point into device
 * memory or are NULL.
 */
SC_NET(affine, 3)
SC_NET(embed, 3)
SC_NET(activate, 3)
SC_NET(copy_columns, 2)
SC_NET(dropout, 1)
SC_NET(fir, 2)
SC_NET(resample, 2)

SC_NET(conv_pack, 2)
SC_NET(conv_unpack, 2)
SC_NET(add_bias, 2)
SC_NET(to_bf16, 2)
SC_NET(from_bf16, 3)
SC_NET(pad, 2)
SC_NET(crop, 2)

SC_NET(column_sums, 2)
SC_NET(gather, 2)
SC_NET(add_sums, 2)

SC_NET(norm_sums, 3)
SC_NET(norm_moments, 3)
SC_NET(norm_coefficients, 5)
SC_NET(norm_apply, 4)
SC_NET(norm_gradient_sums, 5)
SC_NET(norm_gradient_coefficients, 5)
SC_NET(norm_gradient_apply, 6)
SC_NET(norm_parameters, 3)

SC_NET_ROWS(softmax, 1, 1)
SC_NET_ROWS(softmax_gradient, 2, 0)

SC_NET_ROWS(linear, 4, 0)
SC_NET(linear_gradient_x, 4)
SC_NET(linear_gradient_w, 3)
SC_NET(linear_gradient_b, 2)

#undef SC_NET
#undef SC_NET_ROWS
