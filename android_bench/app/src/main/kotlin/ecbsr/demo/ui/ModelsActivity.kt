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
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.UserFacingException

/** Lists the models, selects and removes them, and imports the user's. */
class ModelsActivity : DemoActivity(R.layout.models) {
    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        findViewById<Button>(R.id.add).setOnClickListener { openDocument("*/*", OPEN) }
    }

    override fun onDocument(request: Int, uri: Uri) = viewModel.importModel(uri)

    override fun show() {
        val list = findViewById<ViewGroup>(R.id.list)
        list.removeAllViews()
        for (name in viewModel.models.names()) list.addView(row(list, name))
    }

    private fun row(list: ViewGroup, name: String): View {
        val row = layoutInflater.inflate(R.layout.row_model, list, false)
        val selected = name == viewModel.model?.name
        row.findViewById<TextView>(R.id.name).text = name
        row.findViewById<RadioButton>(R.id.selected).isChecked = selected
        val summary = row.findViewById<TextView>(R.id.summary)
        try {
            val model = viewModel.models.load(name)
            summary.text = summary(model)
            row.setOnClickListener { viewModel.selectModel(name) }
            if (selected) row.findViewById<TextView>(R.id.details).apply { visibility = View.VISIBLE; text = details(model) }
        } catch (error: UserFacingException) {
            summary.text = error.message
        }
        val remove = row.findViewById<View>(R.id.remove)
        remove.visibility = if (viewModel.models.isBundled(name)) View.GONE else View.VISIBLE
        remove.setOnClickListener {
            viewModel.models.remove(name)
            if (selected) viewModel.selectModel(viewModel.models.names().first()) else show()
        }
        return row
    }

    private fun summary(model: SrModel): String {
        val channels = getString(if (model.channels == 1) R.string.luma else R.string.rgb)
        val size = model.fixedSize?.let { getString(R.string.fixed_size, "$it") } ?: getString(R.string.any_size)
        return getString(R.string.model_summary, model.scale, channels, model.precision, size)
    }

    private fun details(model: SrModel): CharSequence {
        val lines = mutableListOf(getString(if (viewModel.models.isBundled(model.name)) R.string.bundled else R.string.imported))
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

    private companion object {
        const val OPEN = 1
        const val RECIPE_INDENT = 8 // dp; continuation lines have twice the indent
    }
}
