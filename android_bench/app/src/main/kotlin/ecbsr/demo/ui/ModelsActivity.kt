package ecbsr.demo.ui

import android.net.Uri
import android.os.Bundle
import android.text.SpannableStringBuilder
import android.text.Spanned
import android.text.style.LeadingMarginSpan
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.RadioButton
import android.widget.TextView
import ecbsr.demo.R
import ecbsr.demo.core.Reading
import ecbsr.demo.core.SrModel
import ecbsr.demo.io.ListedModel

/** Lists the models, selects and removes them, and imports the user's. */
class ModelsActivity : DemoActivity(R.layout.models) {
    /** What the list was built from. */
    private var shown: Pair<List<ListedModel>, SrModel?>? = null

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        findViewById<Button>(R.id.add).setOnClickListener { openDocument("*/*", OPEN) }
    }

    override fun onDocument(request: Int, uri: Uri) = viewModel.importModel(uri)

    override fun onStart() {
        super.onStart()
        viewModel.listModels()
    }

    /** Builds the list only when it changed: a screen reader keeps its position while a task reports its progress. */
    override fun show() {
        val state = viewModel.listedModels to viewModel.model
        if (state == shown) return
        shown = state
        val list = findViewById<ViewGroup>(R.id.list)
        list.removeAllViews()
        for (listed in viewModel.listedModels) list.addView(row(list, listed))
    }

    private fun row(list: ViewGroup, listed: ListedModel): View {
        val row = layoutInflater.inflate(R.layout.row_model, list, false)
        val selected = listed.name == viewModel.model?.name
        row.findViewById<TextView>(R.id.name).text = listed.name
        row.findViewById<RadioButton>(R.id.selected).isChecked = selected
        row.findViewById<TextView>(R.id.summary).text = listed.model?.let(::summary) ?: listed.problem
        if (listed.model != null) {
            row.setOnClickListener { viewModel.selectModel(listed.name) }
            if (selected) row.findViewById<TextView>(R.id.details).apply { visibility = View.VISIBLE; text = details(listed.model, listed.isBundled) }
        }
        val remove = row.findViewById<View>(R.id.remove)
        remove.visibility = if (listed.isBundled) View.GONE else View.VISIBLE
        remove.setOnClickListener { viewModel.removeModel(listed.name) }
        return row
    }

    private fun summary(model: SrModel): String {
        val channels = getString(if (model.channels == 1) R.string.luma else R.string.rgb)
        val size = model.fixedSize?.let { getString(R.string.fixed_size, "$it") } ?: getString(R.string.any_size)
        return getString(R.string.model_summary, model.scale, channels, model.precision, size)
    }

    private fun details(model: SrModel, isBundled: Boolean): CharSequence {
        val lines = mutableListOf(getString(if (isBundled) R.string.bundled else R.string.imported))
        model.reading?.let { lines += reading(it) }
        lines += "${getString(R.string.operators)}: " + model.operators.entries.joinToString { "${it.value} ${it.key}" }
        lines += if (model.recipe.isEmpty()) getString(R.string.no_recipe) else "${getString(R.string.recipe)}:"
        val text = SpannableStringBuilder(lines.joinToString("\n"))
        val indent = (RECIPE_INDENT * resources.displayMetrics.density).toInt()
        for ((key, value) in model.recipe) {
            val entry = "${key.replace('_', ' ').replace('.', ' ')}: $value"
            text.append("\n").append(entry, LeadingMarginSpan.Standard(indent, 2 * indent), Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
        }
        return text
    }

    /** What is assumed about a float file, and that its result is not as it should be. */
    private fun reading(reading: Reading): String {
        val values = getString(R.string.values_assumed, reading.input.text, reading.output.text)
        return if (reading.isGood) values else getString(R.string.worse_than_bicubic, values, rounded(reading.psnr), rounded(reading.bicubicPsnr))
    }

    private companion object {
        const val OPEN = 1
        const val RECIPE_INDENT = 8 // dp; continuation lines have twice the indent
    }
}
